//! A repository that was renamed: GitHub answers with where it is now.

use std::net::Ipv4Addr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::world::{REPO, World};

/// What a server was asked.
type Asked = Arc<RwLock<Vec<(Method, String)>>>;

/// A GitHub in front of the stand-in, which redirects what is asked of an old name.
struct Renamed {
    url: String,
    asked: Asked,
    _server: JoinSet<()>,
}

#[derive(Clone)]
struct Front {
    asked: Asked,
    redirect: fn(&Method, &str) -> Option<(StatusCode, String)>,
    behind: String,
    client: reqwest::Client,
}

impl Renamed {
    async fn start(behind: String, redirect: fn(&Method, &str) -> Option<(StatusCode, String)>) -> Self {
        let asked = Asked::default();
        let front = Front {
            asked: Arc::clone(&asked),
            redirect,
            behind,
            client: reqwest::Client::new(),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(front);
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            asked,
            _server: server,
        }
    }

    fn asked(&self) -> Vec<(Method, String)> {
        self.asked.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(State(front): State<Front>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().unwrap().to_string();
    front
        .asked
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
        .request(parts.method, format!("{}{path}", front.behind));
    let answer = request.headers(headers).body(body).send().await.unwrap();
    (answer.status(), answer.bytes().await.unwrap()).into_response()
}

#[tokio::test]
async fn a_repository_is_watched_under_its_new_name_too() {
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
    let issue = world.ask("Say hello");
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
}

#[tokio::test]
async fn a_write_that_was_redirected_is_not_turned_into_a_read() {
    let mut world = World::new().await;
    let github = Renamed::start(world.github.api_url(), |method, path| {
        (*method == Method::POST).then(|| (StatusCode::MOVED_PERMANENTLY, path.to_owned()))
    })
    .await;
    world.set("GITHUB_API_URL", &github.url);
    let issue = world.ask("Say hello");
    world.start();
    let labels = format!("/repos/{REPO}/issues/{issue}/labels");
    world
        .until("another attempt in the next look", |_| {
            let asked = github.asked();
            asked
                .iter()
                .filter(|(method, path)| *method == Method::POST && *path == labels)
                .count()
                > 1
        })
        .await;
    assert!(
        github
            .asked()
            .iter()
            .all(|(method, path)| *method == Method::POST || *path != labels)
    );
    assert_eq!(world.labels(issue), ["whim"]);
}

#[tokio::test]
async fn the_token_goes_to_no_other_host() {
    let mut world = World::new().await;
    let github = Renamed::start(world.github.api_url(), |_, path| {
        // Nobody listens there: a call would not be refused but fail.
        Some((
            StatusCode::TEMPORARY_REDIRECT,
            format!("http://localhost:1{path}"),
        ))
    })
    .await;
    world.set("GITHUB_API_URL", &github.url);
    let logs = crate::logs::Logs::keep();
    world.start();
    world
        .until("a look that failed", |_| !logs.warnings().is_empty())
        .await;
    let error = logs.warnings()[0]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("GitHub refused (307)"), "{error}");
}
