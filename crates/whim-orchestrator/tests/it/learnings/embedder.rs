//! The embedder with an endpoint that answers when the test lets it.

use std::future::IntoFuture as _;
use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use whim_orchestrator::reconcile::Learnings;
use whim_service::reconcile::Reconciler as _;
use whim_testkit::wait::wait_until;

use super::{started, texts};
use crate::app::PATIENCE;
use crate::workers::orchestrator_program;
use crate::world::{World, complete};

pub(super) fn embedder_program() -> PathBuf {
    let program = orchestrator_program().with_file_name("whim-embedder");
    assert!(
        program.is_file(),
        "run `cargo build --workspace` first: there is no {}",
        program.display()
    );
    program
}

/// Whether an embedder that this test started is running.
pub(super) fn is_embedder_running() -> bool {
    let parent = format!("PPid:\t{}", std::process::id());
    let processes = fs::read_dir("/proc").unwrap();
    processes.flatten().any(|process| {
        let status = fs::read_to_string(process.path().join("status")).unwrap_or_default();
        status.starts_with("Name:\twhim-embedder\n")
            && status.lines().any(|line| line == parent)
            && !status.contains("State:\tZ")
    })
}

async fn until_ended() {
    wait_until("the embedder to end", PATIENCE, async || {
        if is_embedder_running() {
            Err("it runs")
        } else {
            Ok(())
        }
    })
    .await
    .unwrap();
}

/// What the endpoint does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Vectors,
    Error,
    /// It waits until that changes.
    Hold,
}

/// Stands in for an API of vectors, until it is dropped.
struct Endpoint {
    answer: watch::Sender<Answer>,
    requests: watch::Sender<usize>,
    _server: JoinSet<io::Result<()>>,
}

#[derive(Clone)]
struct Controls {
    answer: watch::Sender<Answer>,
    requests: watch::Sender<usize>,
}

impl Endpoint {
    async fn start(answer: Answer, settings: &[(&str, &str)]) -> (Self, World) {
        let (answer, requests) = (watch::Sender::new(answer), watch::Sender::new(0));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/v1/embeddings", post(embeddings))
            .with_state(Controls {
                answer: answer.clone(),
                requests: requests.clone(),
            });
        let mut server = JoinSet::new();
        server.spawn(axum::serve(listener, router).into_future());
        let program = embedder_program();
        let base = [
            ("LEARNINGS_HOLDOUT", "0"),
            ("EMBEDDER_PROGRAM", program.to_str().unwrap()),
            ("EMBEDDING_URL", url.as_str()),
        ];
        let settings: Vec<(&str, &str)> = base.into_iter().chain(settings.iter().copied()).collect();
        let world = World::with(&settings).await;
        let endpoint = Self {
            answer,
            requests,
            _server: server,
        };
        (endpoint, world)
    }

    async fn until_requested(&self) {
        let requested = async {
            let mut requests = self.requests.subscribe();
            requests.wait_for(|count| *count > 0).await.unwrap();
        };
        timeout(PATIENCE, requested).await.unwrap();
    }
}

/// Each text has a direction of its own, by its number.
async fn embeddings(
    State(controls): State<Controls>,
    Json(request): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    controls.requests.send_modify(|count| *count += 1);
    let mut answer = controls.answer.subscribe();
    let answer = *answer.wait_for(|answer| *answer != Answer::Hold).await.unwrap();
    if answer == Answer::Error {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let count = request["input"].as_array().unwrap().len();
    let vectors = (0..count).map(|index| {
        let mut vector = vec![0.0; 384];
        vector[index] = 1.0;
        json!({ "index": index, "embedding": vector })
    });
    Ok(Json(json!({ "data": vectors.collect::<Vec<_>>() })))
}

#[tokio::test]
async fn a_call_that_only_waits_for_the_embedder_leaves_it_running() {
    let (endpoint, world) = Endpoint::start(Answer::Hold, &[]).await;
    let (first, second) = (["one".to_owned()], ["two".to_owned()]);
    let waiting = async {
        endpoint.until_requested().await;
        let limit = Duration::from_millis(20);
        let waiting = timeout(PATIENCE / 2, world.app.embedder.embed(&second, limit)).await;
        endpoint.answer.send_replace(Answer::Vectors);
        waiting.expect("an answer after the limit")
    };
    let (working, waiting) = tokio::join!(world.app.embedder.embed(&first, PATIENCE), waiting);
    assert!(waiting.is_err());
    assert_eq!(working.unwrap().len(), 1);
    assert!(is_embedder_running());
    assert_eq!(world.app.embedder.failure().await, None);
    assert_eq!(
        world.app.embedder.embed(&second, PATIENCE).await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn an_embedder_that_does_not_answer_in_time_is_ended_and_in_the_status() {
    let (endpoint, world) = Endpoint::start(Answer::Hold, &[]).await;
    let embed = async {
        let limit = Duration::from_secs(2);
        world.app.embedder.embed(&["one".to_owned()], limit).await
    };
    let error = embed.await.unwrap_err().to_string();
    assert!(error.contains("no vectors within 2 s"), "{error}");
    until_ended().await;
    let status = world.get("/api/status").await.expect(200);
    let warnings = status["warnings"].to_string();
    assert!(
        warnings.contains("words only: no vectors within 2 s"),
        "{warnings}"
    );

    // It is not tried again at once, so that each attempt does not wait.
    endpoint.answer.send_replace(Answer::Vectors);
    let again = world.app.embedder.embed(&["two".to_owned()], PATIENCE).await;
    assert_eq!(again.unwrap_err().to_string(), error);
}

#[tokio::test]
async fn an_embedder_that_fails_ends_when_idle() {
    let settings = [("EMBEDDER_IDLE_TIMEOUT_SECONDS", "0.1")];
    let (_endpoint, world) = Endpoint::start(Answer::Error, &settings).await;
    let body = json!({ "repo": "octocat/hello", "kind": "gotcha", "text": "Tests need port 5433" });
    world.post("/api/learnings", &body).await.expect(201);
    wait_until("the embedder to end", PATIENCE, async || {
        let error = Learnings(world.app.clone()).reconcile().await.unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("EMBEDDING_URL answered 500"), "{error}");
        if is_embedder_running() {
            Err("it runs")
        } else {
            Ok(())
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn learnings_are_retired_after_the_last_full_batch() {
    let (_endpoint, world) = Endpoint::start(Answer::Vectors, &[("LEARNINGS_TOKEN_BUDGET", "8000")]).await;
    let add = async |text: String| {
        let body = json!({ "repo": "octocat/hello", "kind": "gotcha", "text": text });
        world.post("/api/learnings", &body).await.expect(201);
    };
    add("Tests need port 5433".to_owned()).await;
    for _ in 0..20 {
        let (worker, _) = started(&world, "octocat/hello", "Greet").await;
        world.call(&worker, "complete", &complete()).await.expect(200);
    }
    for number in 0..64 {
        add(format!("The module number {number} is slow")).await;
    }
    let first = Learnings(world.app.clone()).reconcile().await.unwrap();
    assert_eq!((first.embedded, first.retired), (64, 0));
    let second = Learnings(world.app.clone()).reconcile().await.unwrap();
    assert_eq!((second.embedded, second.retired), (1, 1));
    assert_eq!(texts(&world, "retired").await, ["Tests need port 5433"]);
}
