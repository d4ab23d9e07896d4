//! Requests to the container engine.

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

/// Time until the answer begins. Creating a container on a busy disk takes long.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// The description of a container or volume has a few kilobytes.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// Each request uses a new connection.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    socket: PathBuf,
    client: Client<UnixConnector, Full<Bytes>>,
}

/// A request as it is forwarded.
#[derive(Clone, Debug)]
pub(crate) struct EngineRequest {
    pub(crate) method: Method,
    /// Includes the query.
    pub(crate) path: String,
    /// JSON.
    pub(crate) body: Option<Vec<u8>>,
    /// Whether to upgrade the connection to raw bytes.
    pub(crate) upgrade: bool,
    /// Added to the usual timeout.
    pub(crate) extra_time: Duration,
}

impl EngineRequest {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::plain(Method::GET, path)
    }

    pub(crate) fn plain(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            body: None,
            upgrade: false,
            extra_time: Duration::ZERO,
        }
    }
}

/// The engine's answer to an inspect request.
#[derive(Debug)]
pub(crate) enum Inspected<T> {
    Found(T),
    /// Not found, or an error: the answer to forward.
    Other(Response<Full<Bytes>>),
}

impl Engine {
    pub(crate) fn new(socket: PathBuf) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(UnixConnector);
        Self { socket, client }
    }

    pub(crate) async fn send(&self, request: EngineRequest) -> Result<Response<Incoming>, Refusal> {
        let answer_timeout = ANSWER_TIMEOUT + request.extra_time;
        let sent = async {
            let request = self.build(request)?;
            timeout(answer_timeout, self.client.request(request))
                .await
                .context("waiting for the engine's answer")?
                .context("calling the engine")
        };
        sent.await.map_err(|source| self.unavailable(source))
    }

    pub(crate) async fn inspect<T: DeserializeOwned>(&self, path: String) -> Result<Inspected<T>, Refusal> {
        let answer = self.send(EngineRequest::get(path)).await?;
        let (head, body) = answer.into_parts();
        let body = timeout(ANSWER_TIMEOUT, Limited::new(body, MAX_ANSWER_BYTES).collect());
        let body = match body.await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) => return Err(self.unavailable(anyhow::Error::from_boxed(error))),
            Err(elapsed) => return Err(self.unavailable(elapsed.into())),
        };
        if head.status != StatusCode::OK {
            return Ok(Inspected::Other(Response::from_parts(head, Full::new(body))));
        }
        let parsed = serde_json::from_slice(&body).context("parsing the engine's answer");
        parsed
            .map(Inspected::Found)
            .map_err(|source| self.unavailable(source))
    }

    fn build(&self, request: EngineRequest) -> anyhow::Result<Request<Full<Bytes>>> {
        let uri: hyper::Uri = hyperlocal::Uri::new(&self.socket, &request.path).into();
        let mut builder = Request::builder()
            .method(request.method)
            .uri(uri)
            .header(HOST, "docker");
        if request.upgrade {
            builder = builder.header(CONNECTION, "Upgrade").header(UPGRADE, "tcp");
        }
        if request.body.is_some() {
            builder = builder.header(CONTENT_TYPE, "application/json");
        }
        builder
            .body(Full::from(request.body.unwrap_or_default()))
            .context("building a request")
    }

    fn unavailable(&self, source: anyhow::Error) -> Refusal {
        Refusal::Unavailable {
            engine: self.socket.clone(),
            source,
        }
    }
}
