//! Serves the orchestrator: one request a connection.

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
use crate::engine::{Engine, Handed, Known};
use crate::policy;
use crate::refusal::Refusal;
use crate::tunnel::Tunnel;

/// The events, who reads a log, and a handful of calls for each worker that starts or ends. Each takes two descriptors,
/// of which a process has a thousand.
const MOST_CONNECTIONS: usize = 256;
/// The head of a request: its longest part is a filter.
const MOST_HEAD_BYTES: usize = 16 << 10;
const MOST_HEADERS: usize = 32;
/// The settings of a container are some two kilobytes, and its environment is short.
const MOST_BODY_BYTES: usize = 128 << 10;
/// Until a request is there as a whole: it comes from this machine.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);

/// What the engine's answers may be headed with; the rest is between the engine and this proxy.
const HEADERS: [HeaderName; 3] = [
    CONTENT_TYPE,
    HeaderName::from_static("api-version"),
    HeaderName::from_static("ostype"),
];

type Body = Either<Incoming, Full<Bytes>>;

/// Serves until `stop`; what goes on then breaks off.
///
/// # Errors
/// The listener cannot be used any more.
pub async fn serve(
    listener: UnixListener,
    config: ProxyConfig,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let proxy = Arc::new(Proxy {
        engine: Engine::new(config.engine),
        containers: config.containers,
    });
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let place = tokio::select! {
            place = place => place.context("waiting for a place")?,
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
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
}

#[derive(Debug)]
struct Proxy {
    engine: Engine,
    containers: DockerConfig,
}

/// What has to be known of a container to tell whose it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerLook {
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
struct NetworkLook {
    id: String,
    labels: Option<HashMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeLook {
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
            .max_buf_size(MOST_HEAD_BYTES)
            .max_headers(MOST_HEADERS)
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_PATIENCE)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        if let Err(error) = connection.await {
            tracing::debug!(error = %chain(&error), "a connection of the orchestrator broke off");
        }
        let Ok(tunnel) = tunnel.try_recv() else { return };
        let tunnel: Tunnel = tunnel;
        if let Err(error) = tunnel.run().await {
            tracing::debug!(error = format!("{error:#}"), "the input of a container broke off");
        }
    }

    async fn answer(&self, request: Request<Incoming>, tunnels: &mpsc::Sender<Tunnel>) -> Response<Body> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        match self.hand_on(request, tunnels).await {
            Ok(answer) => answer,
            Err(refusal) => {
                let error = chain(&refusal).to_string();
                tracing::warn!(%method, path, error, "a request was not handed on");
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

    async fn hand_on(
        &self,
        request: Request<Incoming>,
        tunnels: &mpsc::Sender<Tunnel>,
    ) -> Result<Response<Body>, Refusal> {
        let (head, body) = request.into_parts();
        let uri = &head.uri;
        if uri.authority().is_some() || uri.scheme().is_some() {
            return Err(Refusal::forbidden("this is no proxy for other addresses"));
        }
        let query = uri.query().unwrap_or_default();
        let call = Call::parse(&head.method, uri.path(), query, &self.containers)?;
        let body = read_body(&call, body).await?;
        let handed = match call {
            Call::Look { path } => Handed::get(path),
            Call::List { path, query } => Handed::get(format!("{path}?{}", query.text())),
            Call::Container {
                reference,
                action: Action::Attach,
                query,
            } => {
                let id = match self.container(&reference).await? {
                    Known::Is(id) => id,
                    Known::Not(answer) => return Ok(passed(answer).map(Either::Right)),
                };
                return self.attach(&id, &query.text(), head, tunnels).await;
            }
            Call::Container {
                reference,
                action,
                query,
            } => {
                let id = match self.container(&reference).await? {
                    Known::Is(id) => id,
                    Known::Not(answer) => return Ok(passed(answer).map(Either::Right)),
                };
                let grace = query.get("t").and_then(|seconds| seconds.parse().ok());
                let path = format!("/containers/{id}{}?{}", action.path(), query.text());
                Handed {
                    more_time: Duration::from_secs(grace.unwrap_or_default()),
                    ..Handed::plain(action.method(), path)
                }
            }
            Call::CreateContainer { name } => {
                let checked = policy::container(&name, &body, &self.containers)?;
                if let Some(answer) = self.check_volume(&name, &checked.labels).await? {
                    return Ok(passed(answer).map(Either::Right));
                }
                created(format!("/containers/create?name={name}"), checked.body)
            }
            Call::CreateVolume => created("/volumes/create", policy::volume(&body)?),
            Call::CreateNetwork => created("/networks/create", policy::network(&body, &self.containers)?),
            Call::RemoveVolume { name } => {
                let path = format!("/volumes/{name}");
                let volume: VolumeLook = match self.engine.look(path.clone()).await? {
                    Known::Is(volume) => volume,
                    Known::Not(answer) => return Ok(passed(answer).map(Either::Right)),
                };
                if !is_ours(volume.labels.as_ref()) {
                    return Err(not_ours("volume", &name));
                }
                Handed::plain(Method::DELETE, path)
            }
            Call::RemoveNetwork { reference } => {
                let network: NetworkLook = match self.engine.look(format!("/networks/{reference}")).await? {
                    Known::Is(network) => network,
                    Known::Not(answer) => return Ok(passed(answer).map(Either::Right)),
                };
                if !is_ours(network.labels.as_ref()) {
                    return Err(not_ours("network", &reference));
                }
                // Several networks may have one name.
                Handed::plain(Method::DELETE, format!("/networks/{}", network.id))
            }
        };
        Ok(passed(self.engine.send(handed).await?).map(Either::Left))
    }

    /// The identifier of a container of Whim's. What is done is done to that, and not to whoever has the name by then.
    async fn container(&self, reference: &str) -> Result<Known<String>, Refusal> {
        let path = format!("/containers/{reference}/json");
        Ok(match self.engine.look::<ContainerLook>(path).await? {
            Known::Is(container) if is_ours(container.config.labels.as_ref()) => Known::Is(container.id),
            Known::Is(_) => return Err(not_ours("container", reference)),
            Known::Not(answer) => Known::Not(answer),
        })
    }

    /// A volume is not made anew when there is one with its name, and one with options can be any directory of the
    /// machine. Gives back the engine's answer when it knows no such volume.
    async fn check_volume(
        &self,
        name: &str,
        labels: &HashMap<String, String>,
    ) -> Result<Option<Response<Full<Bytes>>>, Refusal> {
        let volume: VolumeLook = match self.engine.look(format!("/volumes/{name}")).await? {
            Known::Is(volume) => volume,
            Known::Not(answer) => return Ok(Some(answer)),
        };
        let has_options = volume.options.is_some_and(|options| !options.is_empty());
        if volume.labels.as_ref() == Some(labels) && volume.driver == "local" && !has_options {
            Ok(None)
        } else {
            Err(not_ours("volume", name))
        }
    }

    async fn attach(
        &self,
        id: &str,
        query: &str,
        head: request::Parts,
        tunnels: &mpsc::Sender<Tunnel>,
    ) -> Result<Response<Body>, Refusal> {
        if !asks_for_raw_bytes(&head.headers) {
            return Err(Refusal::forbidden(
                "who attaches to a container has to ask for `Upgrade: tcp`",
            ));
        }
        let mut handed = Handed::plain(
            Action::Attach.method(),
            format!("/containers/{id}{}?{query}", Action::Attach.path()),
        );
        handed.upgrade = true;
        let mut answer = self.engine.send(handed).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(passed(answer).map(Either::Left));
        }
        let tunnel = Tunnel {
            client: hyper::upgrade::on(Request::from_parts(head, ())),
            engine: hyper::upgrade::on(&mut answer),
        };
        // A connection serves one request, so there is one place.
        if tunnels.try_send(tunnel).is_err() {
            return Err(Refusal::forbidden("a connection serves one request"));
        }
        let mut switched = passed(answer).map(|_nothing| Either::Right(Full::default()));
        let headers = switched.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
        Ok(switched)
    }
}

/// The body of a call that has one; every other call has none: old versions of the engine took settings of a container
/// with its start.
async fn read_body(call: &Call, body: Incoming) -> Result<Bytes, Refusal> {
    match call {
        Call::CreateContainer { .. } | Call::CreateVolume | Call::CreateNetwork => {}
        Call::Look { .. }
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
    let body = timeout(REQUEST_PATIENCE, Limited::new(body, MOST_BODY_BYTES).collect());
    match body.await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) => Err(Refusal::forbidden(format!("the body cannot be read: {error}"))),
        Err(_elapsed) => Err(Refusal::forbidden("the body does not come")),
    }
}

fn created(path: impl Into<String>, body: Vec<u8>) -> Handed {
    Handed {
        body: Some(body),
        ..Handed::plain(Method::POST, path)
    }
}

fn asks_for_raw_bytes(headers: &HeaderMap) -> bool {
    let is = |name, expected: &str| {
        headers
            .get(name)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(expected.as_bytes()))
    };
    is(CONNECTION, "Upgrade") && is(UPGRADE, "tcp")
}

/// The engine's answer, as it is passed on.
fn passed<Content>(answer: Response<Content>) -> Response<Content> {
    let (mut head, body) = answer.into_parts();
    let mut headers = HeaderMap::new();
    for name in HEADERS {
        if let Some(value) = head.headers.remove(&name) {
            headers.insert(name, value);
        }
    }
    let mut passed = Response::new(body);
    *passed.status_mut() = head.status;
    *passed.headers_mut() = headers;
    passed
}

fn is_ours(labels: Option<&HashMap<String, String>>) -> bool {
    labels.is_some_and(|labels| labels.contains_key(INSTANCE_LABEL))
}

fn not_ours(kind: &str, name: &str) -> Refusal {
    Refusal::forbidden(format!("the {kind} {name} is not of Whim's"))
}
