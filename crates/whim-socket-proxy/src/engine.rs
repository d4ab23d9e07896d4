//! The container engine, behind its socket.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use hyperlocal::UnixConnector;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::refusal::Refusal;

/// Until an answer begins. Creating a container on a busy disk takes long; whoever asked may give up earlier.
const PATIENCE: Duration = Duration::from_secs(120);
/// The description of a container or a volume is a few kilobytes.
const MOST_BYTES: usize = 4 << 20;

/// Calls the engine. A connection serves one call.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    socket: PathBuf,
    client: Client<UnixConnector, Full<Bytes>>,
}

/// A call as it is handed on.
#[derive(Clone, Debug)]
pub(crate) struct Handed {
    pub(crate) method: Method,
    /// With the query.
    pub(crate) path: String,
    /// JSON.
    pub(crate) body: Option<Vec<u8>>,
    /// Whether the connection becomes one of raw bytes.
    pub(crate) upgrade: bool,
    /// How long the engine has on top of what every call has.
    pub(crate) more_time: Duration,
}

impl Handed {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::plain(Method::GET, path)
    }

    pub(crate) fn plain(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            body: None,
            upgrade: false,
            more_time: Duration::ZERO,
        }
    }
}

/// What the engine says of something.
#[derive(Debug)]
pub(crate) enum Known<T> {
    Is(T),
    /// There is none, or the engine cannot tell: its answer is the answer.
    Not(Response<Full<Bytes>>),
}

impl Engine {
    pub(crate) fn new(socket: PathBuf) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(UnixConnector);
        Self { socket, client }
    }

    pub(crate) async fn send(&self, call: Handed) -> Result<Response<Incoming>, Refusal> {
        let patience = PATIENCE + call.more_time;
        let sent = async {
            let request = self.request(call)?;
            timeout(patience, self.client.request(request))
                .await
                .context("waiting for the engine's answer")?
                .context("asking the engine")
        };
        sent.await.map_err(|source| self.away(source))
    }

    /// What the engine says of something of its own.
    pub(crate) async fn look<T: DeserializeOwned>(&self, path: String) -> Result<Known<T>, Refusal> {
        let answer = self.send(Handed::get(path)).await?;
        let (head, body) = answer.into_parts();
        let body = timeout(PATIENCE, Limited::new(body, MOST_BYTES).collect());
        let body = match body.await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) => return Err(self.away(anyhow::Error::from_boxed(error))),
            Err(elapsed) => return Err(self.away(elapsed.into())),
        };
        if head.status != StatusCode::OK {
            return Ok(Known::Not(Response::from_parts(head, Full::new(body))));
        }
        let parsed = serde_json::from_slice(&body).context("reading the engine's answer");
        parsed.map(Known::Is).map_err(|source| self.away(source))
    }

    fn request(&self, call: Handed) -> anyhow::Result<Request<Full<Bytes>>> {
        let uri: hyper::Uri = hyperlocal::Uri::new(&self.socket, &call.path).into();
        let mut request = Request::builder()
            .method(call.method)
            .uri(uri)
            .header(HOST, "docker");
        if call.upgrade {
            request = request.header(CONNECTION, "Upgrade").header(UPGRADE, "tcp");
        }
        if call.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request
            .body(Full::from(call.body.unwrap_or_default()))
            .context("putting a request together")
    }

    fn away(&self, source: anyhow::Error) -> Refusal {
        Refusal::Away {
            engine: self.socket.clone(),
            source,
        }
    }
}
