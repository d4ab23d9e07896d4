//! The server: one request per connection.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Either, Full, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use hyper::http::request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde_json::json;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use whim_containers::{DockerConfig, INSTANCE_LABEL};
use whim_service::chain::chain;

use crate::call::{Action, Call};
use crate::config::ProxyConfig;
use crate::engine::{Engine, EngineRequest, Inspected};
use crate::policy;
use crate::refusal::Refusal;
use crate::tunnel::Tunnel;

/// Enough for the event stream, log readers and a few calls for each worker. Each takes two of a process's usual 1024
/// file descriptors.
const MAX_CONNECTIONS: usize = 256;
/// The longest part of a request's head is a filter.
const MAX_HEAD_BYTES: usize = 16 << 10;
const MAX_HEADERS: usize = 32;
/// The settings of a container have about two kilobytes, and its environment is short.
const MAX_BODY_BYTES: usize = 128 << 10;
/// Time to receive a request, which comes from this machine.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The headers of the engine's answers that are forwarded.
const FORWARDED_HEADERS: [HeaderName; 3] = [
    CONTENT_TYPE,
    HeaderName::from_static("api-version"),
    HeaderName::from_static("ostype"),
];

type Body = Either<Incoming, Full<Bytes>>;

/// Serves until `stop`, which aborts open requests.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: UnixListener,
    config: ProxyConfig,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let proxy = Arc::new(Proxy {
        engine: Engine::new(config.engine),
        containers: config.containers,
    });
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let permit = Arc::clone(&permits).acquire_owned();
        let permit = tokio::select! {
            permit = permit => permit.context("waiting for a free connection")?,
            () = stop.cancelled() => return Ok(()),
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return Ok(()),
        };
        let (stream, _) = accepted.context("accepting connections")?;
        let proxy = Arc::clone(&proxy);
        connections.spawn(async move {
            proxy.connection(stream).await;
            drop(permit);
        });
        while connections.try_join_next().is_some() {}
    }
}

#[derive(Debug)]
struct Proxy {
    engine: Engine,
    containers: DockerConfig,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedContainer {
    id: String,
    config: ContainerLabels,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerLabels {
    labels: Option<HashMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedNetwork {
    id: String,
    labels: Option<HashMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedVolume {
    driver: String,
    labels: Option<HashMap<String, String>>,
    options: Option<HashMap<String, String>>,
}

impl Proxy {
    async fn connection(&self, stream: UnixStream) {
        let (tunnels, mut tunnel) = mpsc::channel(1);
        let service = service_fn(|request| {
            let tunnels = tunnels.clone();
            async move { Ok::<_, Infallible>(self.answer(request, &tunnels).await) }
        });
        let connection = http1::Builder::new()
            .keep_alive(false)
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS)
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        if let Err(error) = connection.await {
            tracing::debug!(error = %chain(&error), "a connection of the orchestrator failed");
        }
        let Ok(tunnel) = tunnel.try_recv() else { return };
        let tunnel: Tunnel = tunnel;
        if let Err(error) = tunnel.run().await {
            tracing::debug!(
                error = format!("{error:#}"),
                "the connection to a container's input failed"
            );
        }
    }

    async fn answer(&self, request: Request<Incoming>, tunnels: &mpsc::Sender<Tunnel>) -> Response<Body> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        match self.forward(request, tunnels).await {
            Ok(answer) => answer,
            Err(refusal) => {
                let error = chain(&refusal).to_string();
                tracing::warn!(%method, path, error, "a request was not forwarded");
                let mut answer = Response::new(Either::Right(Full::from(
                    json!({ "message": refusal.to_string() }).to_string(),
                )));
                *answer.status_mut() = refusal.status();
                let json = HeaderValue::from_static("application/json");
                answer.headers_mut().insert(CONTENT_TYPE, json);
                answer
            }
        }
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
        tunnels: &mpsc::Sender<Tunnel>,
    ) -> Result<Response<Body>, Refusal> {
        let (head, body) = request.into_parts();
        let uri = &head.uri;
        if uri.authority().is_some() || uri.scheme().is_some() {
            return Err(Refusal::forbidden("requests to other hosts are not forwarded"));
        }
        let query = uri.query().unwrap_or_default();
        let call = Call::parse(&head.method, uri.path(), query, &self.containers)?;
        let body = read_body(&call, body).await?;
        let request = match call {
            Call::Read { path } => EngineRequest::get(path),
            Call::List { path, query } => EngineRequest::get(format!("{path}?{}", query.text())),
            Call::Container {
                reference,
                action: Action::Attach,
                query,
            } => {
                let id = match self.container(&reference).await? {
                    Inspected::Found(id) => id,
                    Inspected::Other(answer) => return Ok(filtered(answer).map(Either::Right)),
                };
                return self.attach(&id, &query.text(), head, tunnels).await;
            }
            Call::Container {
                reference,
                action,
                query,
            } => {
                let id = match self.container(&reference).await? {
                    Inspected::Found(id) => id,
                    Inspected::Other(answer) => return Ok(filtered(answer).map(Either::Right)),
                };
                let grace = query.get("t").and_then(|seconds| seconds.parse().ok());
                let path = format!("/containers/{id}{}?{}", action.path(), query.text());
                EngineRequest {
                    extra_time: Duration::from_secs(grace.unwrap_or_default()),
                    ..EngineRequest::plain(action.method(), path)
                }
            }
            Call::CreateContainer { name } => {
                let checked = policy::container(&name, &body, &self.containers)?;
                if let Some(answer) = self.check_volume(&name, &checked.labels).await? {
                    return Ok(filtered(answer).map(Either::Right));
                }
                created(format!("/containers/create?name={name}"), checked.body)
            }
            Call::CreateVolume => created("/volumes/create", policy::volume(&body)?),
            Call::CreateNetwork => created("/networks/create", policy::network(&body, &self.containers)?),
            Call::RemoveVolume { name } => {
                let path = format!("/volumes/{name}");
                let volume: InspectedVolume = match self.engine.inspect(path.clone()).await? {
                    Inspected::Found(volume) => volume,
                    Inspected::Other(answer) => return Ok(filtered(answer).map(Either::Right)),
                };
                if !has_own_label(volume.labels.as_ref()) {
                    return Err(foreign("volume", &name));
                }
                EngineRequest::plain(Method::DELETE, path)
            }
            Call::RemoveNetwork { reference } => {
                let network: InspectedNetwork =
                    match self.engine.inspect(format!("/networks/{reference}")).await? {
                        Inspected::Found(network) => network,
                        Inspected::Other(answer) => return Ok(filtered(answer).map(Either::Right)),
                    };
                if !has_own_label(network.labels.as_ref()) {
                    return Err(foreign("network", &reference));
                }
                // Names of networks are not unique.
                EngineRequest::plain(Method::DELETE, format!("/networks/{}", network.id))
            }
        };
        Ok(filtered(self.engine.send(request).await?).map(Either::Left))
    }

    /// The identifier of a container of Whim. The action uses it instead of the name, which may be reused meanwhile.
    async fn container(&self, reference: &str) -> Result<Inspected<String>, Refusal> {
        let path = format!("/containers/{reference}/json");
        Ok(match self.engine.inspect::<InspectedContainer>(path).await? {
            Inspected::Found(container) if has_own_label(container.config.labels.as_ref()) => {
                Inspected::Found(container.id)
            }
            Inspected::Found(_) => return Err(foreign("container", reference)),
            Inspected::Other(answer) => Inspected::Other(answer),
        })
    }

    /// The engine reuses an existing volume, and one with options may be any directory of the machine. Returns the engine's
    /// answer if there is no such volume.
    async fn check_volume(
        &self,
        name: &str,
        labels: &HashMap<String, String>,
    ) -> Result<Option<Response<Full<Bytes>>>, Refusal> {
        let volume: InspectedVolume = match self.engine.inspect(format!("/volumes/{name}")).await? {
            Inspected::Found(volume) => volume,
            Inspected::Other(answer) => return Ok(Some(answer)),
        };
        let has_options = volume.options.is_some_and(|options| !options.is_empty());
        if volume.labels.as_ref() == Some(labels) && volume.driver == "local" && !has_options {
            Ok(None)
        } else {
            Err(foreign("volume", name))
        }
    }

    async fn attach(
        &self,
        id: &str,
        query: &str,
        head: request::Parts,
        tunnels: &mpsc::Sender<Tunnel>,
    ) -> Result<Response<Body>, Refusal> {
        if !is_upgrade(&head.headers) {
            return Err(Refusal::forbidden(
                "attaching to a container requires `Upgrade: tcp`",
            ));
        }
        let mut request = EngineRequest::plain(
            Action::Attach.method(),
            format!("/containers/{id}{}?{query}", Action::Attach.path()),
        );
        request.upgrade = true;
        let mut answer = self.engine.send(request).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(filtered(answer).map(Either::Left));
        }
        let tunnel = Tunnel {
            client: hyper::upgrade::on(Request::from_parts(head, ())),
            engine: hyper::upgrade::on(&mut answer),
        };
        // The channel has one slot, as a connection serves one request.
        if tunnels.try_send(tunnel).is_err() {
            return Err(Refusal::forbidden("a connection serves one request"));
        }
        let mut switched = filtered(answer).map(|_body| Either::Right(Full::default()));
        let headers = switched.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
        Ok(switched)
    }
}

/// The body of a create request. Other requests must have none: old engines accepted container settings in a start
/// request.
async fn read_body(call: &Call, body: Incoming) -> Result<Bytes, Refusal> {
    match call {
        Call::CreateContainer { .. } | Call::CreateVolume | Call::CreateNetwork => {}
        Call::Read { .. }
        | Call::List { .. }
        | Call::Container { .. }
        | Call::RemoveVolume { .. }
        | Call::RemoveNetwork { .. } => {
            return if body.is_end_stream() {
                Ok(Bytes::new())
            } else {
                Err(Refusal::forbidden("this call has no body"))
            };
        }
    }
    let body = timeout(REQUEST_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect());
    match body.await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) => Err(Refusal::forbidden(format!("the body cannot be read: {error}"))),
        Err(_elapsed) => Err(Refusal::forbidden("the body was not sent in time")),
    }
}

fn created(path: impl Into<String>, body: Vec<u8>) -> EngineRequest {
    EngineRequest {
        body: Some(body),
        ..EngineRequest::plain(Method::POST, path)
    }
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    let is = |name, expected: &str| {
        headers
            .get(name)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(expected.as_bytes()))
    };
    is(CONNECTION, "Upgrade") && is(UPGRADE, "tcp")
}

/// The engine's answer, without the headers that are not forwarded.
fn filtered<Content>(answer: Response<Content>) -> Response<Content> {
    let (mut head, body) = answer.into_parts();
    let mut headers = HeaderMap::new();
    for name in FORWARDED_HEADERS {
        if let Some(value) = head.headers.remove(&name) {
            headers.insert(name, value);
        }
    }
    let mut filtered = Response::new(body);
    *filtered.status_mut() = head.status;
    *filtered.headers_mut() = headers;
    filtered
}

fn has_own_label(labels: Option<&HashMap<String, String>>) -> bool {
    labels.is_some_and(|labels| labels.contains_key(INSTANCE_LABEL))
}

fn foreign(kind: &str, name: &str) -> Refusal {
    Refusal::forbidden(format!("the {kind} {name} does not belong to Whim"))
}
