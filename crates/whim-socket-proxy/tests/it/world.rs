//! A proxy, and behind it something that answers like a container engine and remembers what it was asked.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set its world up has failed"
)]

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use bollard::Docker;
use futures::StreamExt as _;
use futures::channel::mpsc;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use whim_containers::{DockerConfig, Worker};
use whim_core::LeaseEpoch;
use whim_service::environment::Environment;
use whim_socket_proxy::config::ProxyConfig;
use whim_socket_proxy::proxy::serve;
use whim_testkit::wait::wait_until;

/// Generous: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const INSTANCE: &str = "01890000-0000-7000-8000-00000000000a";
pub(crate) const WORKER: &str = "01890000-0000-7000-8000-000000000001";
pub(crate) const ITEM: &str = "01890000-0000-7000-8000-000000000002";
/// Of the worker's container and volume.
pub(crate) const NAME: &str = "whim-01890000-0000-7000-8000-000000000002-3";
/// Of the worker's container in the engine.
pub(crate) const ID: &str = "4f66ad9a0b2e4f66ad9a0b2e4f66ad9a0b2e4f66ad9a0b2e4f66ad9a0b2e4f66";

/// The settings that the proxy shares with the orchestrator.
pub(crate) fn config() -> DockerConfig {
    let variables = [
        ("WORKER_IMAGE", "whim-worker:1"),
        ("WORKER_IMAGES", "acme/shop=registry.example:5000/team/shop:2"),
    ];
    Environment::from_pairs(variables)
        .build(|env| Some(DockerConfig::read(env)))
        .unwrap()
        .config
}

/// Calls `use_it` with the worker of the tests.
pub(crate) fn with_worker<T>(use_it: impl FnOnce(&Worker<'_>) -> T) -> T {
    let environment = BTreeMap::from([("WORKER_ID".to_owned(), WORKER.to_owned())]);
    use_it(&Worker {
        id: WORKER.parse().unwrap(),
        item: ITEM.parse().unwrap(),
        epoch: LeaseEpoch::from_number(3),
        instance: INSTANCE,
        image: "whim-worker:1",
        environment: &environment,
        stop_grace: Duration::from_secs(10),
    })
}

/// The body with which the orchestrator creates the worker's container.
pub(crate) fn container_body() -> Value {
    with_worker(|worker| serde_json::to_value(whim_containers::container(worker, &config())).unwrap())
}

/// The labels of the worker's container and volume.
pub(crate) fn labels() -> HashMap<String, String> {
    with_worker(|worker| whim_containers::volume(worker).labels.unwrap())
}

/// What the engine was asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    /// Method, path and query.
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

/// What the engine has, and what it was asked.
#[derive(Debug, Default)]
struct Engine {
    asked: RwLock<Vec<Asked>>,
    /// By identifier and by name.
    containers: RwLock<HashMap<String, Value>>,
    volumes: RwLock<HashMap<String, Value>>,
    networks: RwLock<HashMap<String, Value>>,
    /// The event channel.
    events: RwLock<Option<mpsc::UnboundedSender<Result<Bytes, Infallible>>>>,
    attached: RwLock<JoinSet<()>>,
}

fn change<T, R>(lock: &RwLock<T>, change: impl FnOnce(&mut T) -> R) -> R {
    change(&mut lock.write().unwrap_or_else(PoisonError::into_inner))
}

pub(crate) struct World {
    pub(crate) socket: PathBuf,
    engine: Arc<Engine>,
    engine_runs: JoinSet<()>,
    _proxy_runs: JoinSet<()>,
    _directory: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (engine_socket, socket) = (directory.path().join("engine"), directory.path().join("proxy"));
        let engine = Arc::new(Engine::default());
        let listener = UnixListener::bind(&engine_socket).unwrap();
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&engine));
        let mut engine_runs = JoinSet::new();
        engine_runs.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let listener = UnixListener::bind(&socket).unwrap();
        let proxy = ProxyConfig {
            engine: engine_socket,
            containers: config(),
        };
        let mut proxy_runs = JoinSet::new();
        proxy_runs.spawn(async move { serve(listener, proxy, CancellationToken::new()).await.unwrap() });
        let world = Self {
            socket,
            engine,
            engine_runs,
            _proxy_runs: proxy_runs,
            _directory: directory,
        };
        world.has_network(&config().network, "the workers'", &json!(labels()));
        world
    }

    /// The client that the orchestrator uses.
    pub(crate) fn docker(&self) -> Docker {
        let socket = self.socket.to_str().unwrap();
        Docker::connect_with_unix(socket, PATIENCE.as_secs(), bollard::API_DEFAULT_VERSION).unwrap()
    }

    /// The engine has a container; its name is found as well as its identifier.
    pub(crate) fn has_container(&self, id: &str, name: &str, labels: &Value) {
        let container = json!({ "Id": id, "Name": name, "Config": { "Labels": labels } });
        change(&self.engine.containers, |containers| {
            containers.insert(id.to_owned(), container.clone());
            containers.insert(name.to_owned(), container);
        });
    }

    pub(crate) fn has_volume(&self, name: &str, volume: Value) {
        change(&self.engine.volumes, |volumes| {
            volumes.insert(name.to_owned(), volume)
        });
    }

    pub(crate) fn has_network(&self, name: &str, id: &str, labels: &Value) {
        change(&self.engine.networks, |networks| {
            networks.insert(
                name.to_owned(),
                json!({ "Name": name, "Id": id, "Labels": labels }),
            )
        });
    }

    /// The worker's volume, as the engine makes it.
    pub(crate) fn has_workspace(&self) {
        let volume = json!({ "Name": NAME, "Driver": "local", "Options": null, "Labels": labels() });
        self.has_volume(NAME, volume);
    }

    /// The worker's container.
    pub(crate) fn has_worker(&self) {
        self.has_container(ID, NAME, &json!(labels()));
    }

    /// What the engine was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        change(&self.engine.asked, |asked| asked.clone())
    }

    /// What the engine was asked so far, without the bodies.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }

    /// Sends an event to all subscribers; `false` without a subscriber.
    fn send_event(&self, event: &Value) -> bool {
        change(&self.engine.events, |events| {
            let bytes = Bytes::from(format!("{event}\n"));
            events
                .as_ref()
                .is_some_and(|events| events.unbounded_send(Ok(bytes)).is_ok())
        })
    }

    /// Sends an event once there is a subscriber.
    pub(crate) async fn tell_whoever_listens(&self, event: &Value) {
        wait_until("a subscriber", PATIENCE, async || {
            if self.send_event(event) {
                Ok(())
            } else {
                Err("no subscriber")
            }
        })
        .await
        .unwrap();
    }

    pub(crate) async fn stop_engine(&mut self) {
        self.engine_runs.shutdown().await;
    }

    /// Sends a request as it is and gives back status and body.
    pub(crate) async fn send(&self, request: impl AsRef<[u8]>) -> (u16, String) {
        send(&self.socket, request.as_ref()).await
    }

    /// A request with an empty body.
    pub(crate) async fn call(&self, method: &str, path: &str) -> (u16, String) {
        self.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n"
        ))
        .await
    }

    /// `POST` with a body.
    pub(crate) async fn post(&self, path: &str, body: &str) -> (u16, String) {
        let length = body.len();
        self.send(format!(
            "POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await
    }
}

/// Sends a request as it is. A connection serves one, so the answer ends with it.
pub(crate) async fn send(socket: &Path, request: &[u8]) -> (u16, String) {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await.unwrap();
        // The other side may have seen enough.
        let _sent = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _read = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await.unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    (status.unwrap_or_default(), body.unwrap_or(answer))
}

async fn answer(State(engine): State<Arc<Engine>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let line = format!("{} {}", head.method, head.uri);
    let path = head.uri.path().to_owned();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    change(&engine.asked, |asked| asked.push(Asked { line, headers, body }));
    let json = |status: StatusCode, value: Value| (status, axum::Json(value)).into_response();
    let known = |what: &RwLock<HashMap<String, Value>>, name: &str| {
        let found = change(what, |all| all.get(name).cloned());
        found.map_or_else(
            || {
                json(
                    StatusCode::NOT_FOUND,
                    json!({ "message": format!("No such object: {name}") }),
                )
            },
            |found| json(StatusCode::OK, found),
        )
    };
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match (head.method.as_str(), segments.as_slice()) {
        ("GET", ["_ping"]) => "OK".into_response(),
        ("GET", ["version"]) => json(StatusCode::OK, json!({ "Version": "0", "ApiVersion": "1.41" })),
        ("GET", ["events"]) => {
            let (sender, receiver) = mpsc::unbounded();
            change(&engine.events, |events| *events = Some(sender));
            Response::new(Body::from_stream(receiver.map(|event| event)))
        }
        ("GET", ["containers", "json"]) => json(StatusCode::OK, json!([])),
        ("GET", ["containers", id, "json"]) => known(&engine.containers, id),
        ("GET", ["containers", _, "logs"]) => "the log".into_response(),
        ("GET", ["volumes"]) => json(StatusCode::OK, json!({ "Volumes": [] })),
        ("GET", ["volumes", name]) => known(&engine.volumes, name),
        ("POST", ["containers", "create"]) => json(StatusCode::CREATED, json!({ "Id": ID, "Warnings": [] })),
        ("POST", ["volumes", "create"]) => {
            let volume = json!({ "Name": NAME, "Driver": "local", "Mountpoint": "/", "Scope": "local", "Labels": {}, "Options": {} });
            json(StatusCode::CREATED, volume)
        }
        ("POST", ["networks", "create"]) => json(StatusCode::CREATED, json!({ "Id": "n", "Warning": "" })),
        ("GET", ["networks"]) => json(StatusCode::OK, json!([])),
        ("GET", ["networks", name]) => known(&engine.networks, name),
        ("GET", ["images", ..]) => json(StatusCode::OK, json!({})),
        ("POST", ["containers", _, "attach"]) => {
            let upgrade = hyper::upgrade::on(Request::from_parts(head, Body::empty()));
            change(&engine.attached, |attached| attached.spawn(echo(upgrade)));
            Response::builder()
                .status(StatusCode::SWITCHING_PROTOCOLS)
                .header("Connection", "Upgrade")
                .header("Upgrade", "tcp")
                .body(Body::empty())
                .unwrap()
        }
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

/// Greets, reads until the other side has said all, and only then says what it heard.
async fn echo(upgrade: hyper::upgrade::OnUpgrade) {
    let mut stream = TokioIo::new(upgrade.await.unwrap());
    stream.write_all(b"hello\n").await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    stream.write_all(&heard).await.unwrap();
    stream.shutdown().await.unwrap();
}
