//! A minimal HTTP client on persistent connections. It shares the CPU with the program under test, so it does as little
//! work per request as possible.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use whim_core::WorkerToken;
use whim_core::protocol::{PROTOCOL_VERSION, PROTOCOL_VERSION_HEADER};

use crate::samples::Samples;

#[derive(Debug)]
pub(crate) struct Caller {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
    /// `Authorization` header of a worker.
    authorization: Option<String>,
    /// Drives the connection; aborted on drop.
    _connection: JoinSet<()>,
}

impl Caller {
    /// Connects to a base URL without a path.
    pub(crate) async fn connect(base: &str) -> anyhow::Result<Self> {
        let authority = base.trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&authority)
            .await
            .with_context(|| format!("connecting to {authority}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        // A failed connection is reported by the pending call.
        driver.spawn(async { drop(connection.await) });
        Ok(Self {
            sender,
            authority,
            authorization: None,
            _connection: driver,
        })
    }

    /// Sends a request and returns the body and its latency. A status other than success is an error.
    pub(crate) async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: String,
    ) -> anyhow::Result<(Bytes, Duration)> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request
                .header(AUTHORIZATION, authorization)
                .header(PROTOCOL_VERSION_HEADER, PROTOCOL_VERSION);
        }
        let request = request.body(Full::from(body))?;
        let begin = Instant::now();
        self.sender.ready().await?;
        let response = self
            .sender
            .send_request(request)
            .await
            .with_context(|| format!("requesting {path}"))?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let elapsed = begin.elapsed();
        ensure!(
            status.is_success(),
            "{path} returned {status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok((body, elapsed))
    }

    /// Opens a streaming response.
    pub(crate) async fn watch(mut self, path: &str) -> anyhow::Result<StreamingResponse> {
        let request = Request::builder()
            .uri(path)
            .header(HOST, &self.authority)
            .body(Full::default())?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        ensure!(status.is_success(), "{path} returned {status}");
        Ok(StreamingResponse {
            body: response.into_body(),
            _caller: self,
        })
    }

    /// Authenticates further calls as the worker with this token.
    pub(crate) fn authenticate_as(&mut self, token: &WorkerToken) {
        self.authorization = Some(format!("Bearer {}", token.reveal()));
    }

    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<(Bytes, Duration)> {
        self.call(Method::GET, path, String::new()).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: String) -> anyhow::Result<(Bytes, Duration)> {
        self.call(Method::POST, path, body).await
    }
}

/// A streaming response.
#[derive(Debug)]
pub(crate) struct StreamingResponse {
    body: Incoming,
    _caller: Caller,
}

impl StreamingResponse {
    /// Next chunk; `None` at the end.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        match self.body.frame().await {
            None => Ok(None),
            Some(frame) => Ok(Some(frame?.into_data().unwrap_or_default())),
        }
    }
}

/// Runs `call` on each connection in a loop for `length`. `call` returns its latency.
pub(crate) async fn load<C>(
    callers: &mut [C],
    length: Duration,
    call: impl AsyncFn(&mut C) -> anyhow::Result<Duration>,
) -> anyhow::Result<Samples> {
    let begin = Instant::now();
    let times = try_join_all(callers.iter_mut().map(async |caller| {
        let mut times = Vec::new();
        while begin.elapsed() < length {
            times.push(call(caller).await?);
        }
        anyhow::Ok(times)
    }))
    .await?;
    Ok(Samples::new(times.concat(), begin.elapsed()))
}
