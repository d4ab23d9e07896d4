//! Callers that keep their connection, with as little work for each call as can be: they share the processors with what
//! they measure.

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

/// One connection.
#[derive(Debug)]
pub(crate) struct Caller {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
    /// What a worker proves itself with.
    authorization: Option<String>,
    /// Carries the bytes; ends with the caller.
    _connection: JoinSet<()>,
}

impl Caller {
    /// Connects to what listens at a URL without a path.
    pub(crate) async fn connect(base: &str) -> anyhow::Result<Self> {
        let authority = base.trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&authority)
            .await
            .with_context(|| format!("connecting to {authority}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut carrier = JoinSet::new();
        // How a connection ended is told by the call that was going on.
        carrier.spawn(async { drop(connection.await) });
        Ok(Self {
            sender,
            authority,
            authorization: None,
            _connection: carrier,
        })
    }

    /// Asks, and answers with the body and how long that took. Anything but success is an error.
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
        let answer = self
            .sender
            .send_request(request)
            .await
            .with_context(|| format!("asking for {path}"))?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        let elapsed = begin.elapsed();
        ensure!(
            status.is_success(),
            "{path} was answered with {status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok((body, elapsed))
    }

    /// Asks for an answer that goes on.
    pub(crate) async fn watch(mut self, path: &str) -> anyhow::Result<Answering> {
        let request = Request::builder()
            .uri(path)
            .header(HOST, &self.authority)
            .body(Full::default())?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        ensure!(status.is_success(), "{path} was answered with {status}");
        Ok(Answering {
            body: answer.into_body(),
            _caller: self,
        })
    }

    /// From now on calls are those of the worker with this token.
    pub(crate) fn speak_for(&mut self, token: &WorkerToken) {
        self.authorization = Some(format!("Bearer {}", token.reveal()));
    }

    /// `GET`.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<(Bytes, Duration)> {
        self.call(Method::GET, path, String::new()).await
    }

    /// `POST`.
    pub(crate) async fn post(&mut self, path: &str, body: String) -> anyhow::Result<(Bytes, Duration)> {
        self.call(Method::POST, path, body).await
    }
}

/// An answer that goes on.
#[derive(Debug)]
pub(crate) struct Answering {
    body: Incoming,
    _caller: Caller,
}

impl Answering {
    /// What came next; `None` at the end.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        match self.body.frame().await {
            None => Ok(None),
            Some(frame) => Ok(Some(frame?.into_data().unwrap_or_default())),
        }
    }
}

/// Has each of the callers call again and again until the time is over; `call` answers how long its call took.
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
