//! The world of one test: a running dashboard.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::http::{HeaderMap, Method, StatusCode};
use bytes::Bytes;
use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use whim_dashboard::app::{self, Listeners};
use whim_dashboard::assets::Assets;
use whim_dashboard::config::Config;
use whim_service::environment::Environment;
use whim_service::supervisor::{Phase, Supervisor};
use whim_testkit::orchestrator::Orchestrator;

/// Much longer than any condition takes.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) const INDEX: &str =
    "<!doctype html><title>Whim</title><script type=\"module\" src=\"/assets/index-DiwrgTda.js\"></script>";

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    client: reqwest::Client,
    supervisor: Supervisor,
}

impl Drop for World {
    fn drop(&mut self) {
        for phase in [Phase::Intake, Phase::Work] {
            self.supervisor.phase(phase).token().cancel();
        }
    }
}

impl World {
    /// Before the fake orchestrator.
    pub(crate) async fn before(orchestrator: &Orchestrator) -> Self {
        Self::with(&[
            ("ORCHESTRATOR_URL", &orchestrator.url()),
            ("API_KEY", Orchestrator::API_KEY),
        ])
        .await
    }

    /// Before whatever is at this URL.
    pub(crate) async fn before_url(url: &str) -> Self {
        Self::with(&[("ORCHESTRATOR_URL", url)]).await
    }

    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        Self::with_config(config(settings), built()).await
    }

    pub(crate) async fn with_config(config: Config, assets: Assets) -> Self {
        whim_service::telemetry::install_crypto();
        let pages = TcpListener::bind(config.address).await.unwrap();
        let address = pages.local_addr().unwrap();
        let supervisor = Supervisor::new();
        let listeners = Listeners { pages, admin: None };
        app::start(&config, assets, &supervisor, listeners, None).unwrap();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self {
            address,
            client,
            supervisor,
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// Sends text that no client would, and returns all that is answered.
    pub(crate) async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut answer))
            .await
            .expect("the connection stays open")
            .unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Logs in with [`PASSWORD`] and returns the cookie.
    pub(crate) async fn log_in(&self) -> String {
        let answer = self.attempt(PASSWORD).await;
        assert_eq!(answer.status(), StatusCode::OK);
        cookie_of(answer.headers())
    }

    pub(crate) async fn attempt(&self, password: &str) -> Response {
        let request = self.request(Method::POST, "/session");
        let credentials = serde_json::json!({ "password": password });
        request.json(&credentials).send().await.unwrap()
    }

    /// Stops as on a signal; tasks that do not end in time are a failure.
    pub(crate) async fn stop(&self) {
        let report = self.supervisor.stop(app::STOP_DEADLINE).await;
        assert!(
            report.unfinished.is_empty(),
            "still running: {:?}",
            report.unfinished
        );
    }
}

/// `NAME=VALUE` of the cookie that a response sets.
pub(crate) fn cookie_of(headers: &HeaderMap) -> String {
    let cookie = headers["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// Any free port, no admin port, and these settings.
pub(crate) fn config(settings: &[(&str, &str)]) -> Config {
    let mut all = BTreeMap::from([("DASHBOARD_PORT", "0"), ("DASHBOARD_ADMIN_PORT", "0")]);
    all.extend(settings.iter().copied());
    Environment::from_pairs(all).build(Config::read).unwrap().config
}

/// As a build of the frontend leaves them.
pub(crate) fn built() -> Assets {
    let script = format!("console.log({:?});", "text ".repeat(1000));
    let files = [
        ("index.html", Bytes::from_static(INDEX.as_bytes())),
        ("favicon.svg", Bytes::from_static(b"<svg/>")),
        ("assets/index-DiwrgTda.js", Bytes::from(script)),
    ];
    Assets::from_files(files.map(|(path, content)| (path.to_owned(), content))).unwrap()
}

/// Status and body of an error response, whose envelope is checked.
pub(crate) async fn error_of(answer: Response) -> (StatusCode, Value) {
    let status = answer.status();
    assert_eq!(answer.headers()["content-type"], "application/json");
    let body: Value = answer.json().await.unwrap();
    assert!(body["error"].is_string() && body["code"].is_string(), "{body}");
    (status, body)
}
