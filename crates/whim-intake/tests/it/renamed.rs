//! A renamed repository: GitHub redirects to the new name.

use std::net::Ipv4Addr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::world::{REPO, World};

/// The requests that a server received.
type Requests = Arc<RwLock<Vec<(Method, String)>>>;

/// A server in front of the fake GitHub that redirects requests for the old name.
struct Renamed {
    url: String,
    requests: Requests,
    _server: JoinSet<()>,
}

#[derive(Clone)]
struct Front {
    requests: Requests,
    redirect: fn(&Method, &str) -> Option<(StatusCode, String)>,
    upstream: String,
    client: reqwest::Client,
}

impl Renamed {
    async fn start(upstream: String, redirect: fn(&Method, &str) -> Option<(StatusCode, String)>) -> Self {
        let requests = Requests::default();
        let front = Front {
            requests: Arc::clone(&requests),
            redirect,
            upstream,
            client: reqwest::Client::new(),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(respond).with_state(front);
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            requests,
            _server: server,
        }
    }

    fn requests(&self) -> Vec<(Method, String)> {
        self.requests
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn respond(State(front): State<Front>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().unwrap().to_string();
    front
        .requests
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .push((parts.method.clone(), path.clone()));
    if let Some((status, location)) = (front.redirect)(&parts.method, &path) {
        return (status, [(header::LOCATION, location)]).into_response();
    }
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let mut headers: HeaderMap = parts.headers;
    headers.remove(header::HOST);
    let request = front
        .client
        .request(parts.method, format!("{}{path}", front.upstream));
    let answer = request.headers(headers).body(body).send().await.unwrap();
    (answer.status(), answer.bytes().await.unwrap()).into_response()
}

#[tokio::test]
async fn a_renamed_repository_is_polled_under_its_new_name() {
    let mut world = World::new().await;
    let github = Renamed::start(world.github.api_url(), |method, path| {
        let rest = path.strip_prefix("/repos/octocat/old-name")?;
        let status = if *method == Method::GET {
            StatusCode::MOVED_PERMANENTLY
        } else {
            StatusCode::TEMPORARY_REDIRECT
        };
        Some((status, format!("/repos/{REPO}{rest}")))
    })
    .await;
    world.set("GITHUB_API_URL", &github.url);
    world.set("REPOS", "octocat/old-name");
    world.start();
    let issue = world.create_issue("Say hello");
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
}

#[tokio::test]
async fn a_redirected_write_is_not_repeated_as_a_read() {
    let mut world = World::new().await;
    let github = Renamed::start(world.github.api_url(), |method, path| {
        (*method == Method::POST).then(|| (StatusCode::MOVED_PERMANENTLY, path.to_owned()))
    })
    .await;
    world.set("GITHUB_API_URL", &github.url);
    let issue = world.create_issue("Say hello");
    world.start();
    let labels = format!("/repos/{REPO}/issues/{issue}/labels");
    world
        .until("another attempt in the next poll", |_| {
            let requests = github.requests();
            requests
                .iter()
                .filter(|(method, path)| *method == Method::POST && *path == labels)
                .count()
                > 1
        })
        .await;
    assert!(
        github
            .requests()
            .iter()
            .all(|(method, path)| *method == Method::POST || *path != labels)
    );
    assert_eq!(world.labels(issue), ["whim"]);
}

#[tokio::test]
async fn the_token_is_sent_to_no_other_host() {
    let mut world = World::new().await;
    let github = Renamed::start(world.github.api_url(), |_, path| {
        // Nothing listens on that port: a call would fail instead of being refused.
        Some((
            StatusCode::TEMPORARY_REDIRECT,
            format!("http://localhost:1{path}"),
        ))
    })
    .await;
    world.set("GITHUB_API_URL", &github.url);
    let logs = crate::logs::Logs::capture();
    world.start();
    world
        .until("a failed poll", |_| !logs.warnings().is_empty())
        .await;
    let error = logs.warnings()[0]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("GitHub refused the call (307)"), "{error}");
}
