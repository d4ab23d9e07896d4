//! A server that keeps every request and answers from a script.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use url::Url;
use whim_client::{Client, Timing, WorkerClient};
use whim_core::{WorkerId, WorkerToken};

pub(crate) const QUICK: Timing = Timing {
    connect: Duration::from_secs(5),
    attempt: Duration::from_secs(5),
    retries: 3,
    first_delay: Duration::from_millis(1),
    longest_delay: Duration::from_millis(5),
};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Method, path and query.
    pub(crate) call: String,
    pub(crate) headers: HeaderMap,
    /// `Null` without a body.
    pub(crate) body: Value,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// What the server says to one request.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    Json(u16, Value),
    Text(u16, String),
    RetryAfter(u16, &'static str),
    /// 302 to this address.
    Elsewhere(&'static str),
    /// Closes the connection in the middle of the answer.
    Break,
}

#[derive(Clone, Default)]
struct Script {
    seen: Arc<RwLock<Vec<Seen>>>,
    answers: Arc<RwLock<VecDeque<Say>>>,
}

pub(crate) struct Server {
    pub(crate) url: Url,
    script: Script,
    _serving: JoinSet<()>,
}

impl Server {
    /// Answers in this order; when they are used up, with 500.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Say>) -> Self {
        // Fails when another test of this process installed it.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let script = Script {
            seen: Arc::default(),
            answers: Arc::new(RwLock::new(answers.into_iter().collect())),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let router = Router::new().fallback(answer).with_state(script.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            script,
            _serving: serving,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.url.clone(), Some(&SecretString::from("the-key")), QUICK).unwrap()
    }

    pub(crate) fn worker_client(&self, id: WorkerId) -> WorkerClient {
        WorkerClient::new(self.url.clone(), id, &WorkerToken::presented("the-token"), QUICK).unwrap()
    }

    pub(crate) async fn seen(&self) -> Vec<Seen> {
        self.script.seen.read().await.clone()
    }

    pub(crate) async fn calls(&self) -> Vec<String> {
        self.seen().await.into_iter().map(|seen| seen.call).collect()
    }
}

async fn answer(State(script): State<Script>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut body = to_bytes(body, usize::MAX).await.unwrap();
    if parts.headers.get("content-encoding").is_some() {
        body = zstd::decode_all(body.as_ref()).unwrap().into();
    }
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).unwrap()
    };
    let call = format!("{} {}", parts.method, parts.uri);
    script.seen.write().await.push(Seen {
        call,
        headers: parts.headers,
        body,
    });
    let say = script.answers.write().await.pop_front();
    let status = |code| StatusCode::from_u16(code).unwrap();
    match say {
        Some(Say::Json(code, value)) => (status(code), axum::Json(value)).into_response(),
        Some(Say::Text(code, text)) => (status(code), text).into_response(),
        Some(Say::RetryAfter(code, seconds)) => (status(code), [("retry-after", seconds)]).into_response(),
        Some(Say::Elsewhere(address)) => (StatusCode::FOUND, [("location", address)]).into_response(),
        Some(Say::Break) => ([("content-length", "1000")], Body::from("{")).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

pub(crate) fn refusal(code: &str) -> Value {
    json!({ "error": "no", "code": code })
}

/// A work item as the orchestrator writes it.
pub(crate) fn work_item() -> Value {
    json!({
        "id": "01990000-0000-7000-8000-000000000001", "repo": "octo/app", "branch": "whim/1-x-abcd", "status": "queued",
        "priority": "medium", "source": "github", "sourceRef": "1", "metadata": {}, "retries": 0, "maxRetries": 3,
        "nextRetryAt": null, "leaseEpoch": 0, "run": 1, "workerId": null, "stage": null, "iteration": 0, "tasksTotal": 2,
        "tasksDone": 0, "prUrl": null, "prNumber": null, "error": null, "failureCause": null,
        "createdAt": "2026-11-20T12:00:00Z", "updatedAt": "2026-11-20T12:00:00Z", "startedAt": null, "endedAt": null
    })
}
