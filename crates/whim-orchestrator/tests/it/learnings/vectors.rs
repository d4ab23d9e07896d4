//! Vectors, with the real embedder and its model.

use std::sync::LazyLock;

use serde_json::{Value, json};
use whim_orchestrator::reconcile::Learnings;
use whim_service::reconcile::Reconciler as _;
use whim_testkit::tools;
use whim_testkit::wait::wait_until;

use super::embedder::{embedder_program, is_embedder_running};
use super::{complete_with, started, texts, update};
use crate::app::PATIENCE;
use crate::world::{World, complete};

/// With the embedder that `cargo build --workspace` made, and with these settings.
async fn world(settings: &[(&str, &str)]) -> World {
    World::with(&with_embedder(settings)).await
}

fn with_embedder<'a>(settings: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let base = [
        ("LEARNINGS_HOLDOUT", "0"),
        ("LEARNINGS_TOKEN_BUDGET", "170"),
        ("EMBEDDER_PROGRAM", PROGRAM.as_str()),
        ("EMBEDDING_MODEL_DIR", MODEL.as_str()),
    ];
    base.into_iter().chain(settings.iter().copied()).collect()
}

static PROGRAM: LazyLock<String> = LazyLock::new(|| embedder_program().to_str().unwrap().to_owned());
static MODEL: LazyLock<String> =
    LazyLock::new(|| tools::embedding_model().unwrap().to_str().unwrap().to_owned());

async fn add(world: &World, texts: &[&str]) {
    for text in texts {
        add_to(world, "octocat/hello", text).await;
    }
}

async fn add_to(world: &World, repo: &str, text: &str) -> String {
    let body = json!({ "repo": repo, "kind": "gotcha", "text": text });
    let learning = world.post("/api/learnings", &body).await.expect(201);
    learning["id"].as_str().unwrap().to_owned()
}

const FILLERS: [&str; 4] = [
    "The linter wants imports in the order of the alphabet, which `make fmt` does",
    "Screenshots of the manual are made with the theme `paper` and 1200 pixels wide",
    "Colours of charts come from the palette in `theme.ts` and never from literals",
    "Release notes are generated from labels, so each change needs exactly one label",
];

#[tokio::test]
async fn learnings_are_found_by_their_meaning_and_the_embedder_ends_when_idle() {
    let mut world = world(&[]).await;
    add(&world, &FILLERS).await;
    add(
        &world,
        &["Lists of money round each share; give the remainder to the first entry"],
    )
    .await;
    let report = Learnings(world.app.clone()).reconcile().await.unwrap();
    assert_eq!(
        (report.embedded, report.merged, report.embedder_running),
        (5, 0, true)
    );

    let (_, received) = started(&world, "octocat/hello", "Totals on invoices are off by a penny").await;
    let first = received.lines().find(|line| line.starts_with("- L1 ")).unwrap();
    assert!(first.contains("Lists of money"), "{received}");

    let found = world
        .get("/api/learnings?repo=octocat/hello&q=pictures%20for%20the%20handbook&limit=1")
        .await
        .expect(200);
    let found = &found["items"][0];
    assert!(
        found["text"].as_str().unwrap().starts_with("Screenshots"),
        "{found:#}"
    );
    assert!(
        found["relevance"]["similarity"].as_f64().unwrap() > 0.3,
        "{found:#}"
    );

    assert!(is_embedder_running());
    world.restart_with(&with_embedder(&[("EMBEDDER_IDLE_TIMEOUT_SECONDS", "0.1")]));
    world
        .get("/api/learnings?repo=octocat/hello&q=pictures")
        .await
        .expect(200);
    wait_until("the embedder to end", PATIENCE, async || {
        let report = Learnings(world.app.clone()).reconcile().await.unwrap();
        if report.embedder_running || is_embedder_running() {
            Err("it runs")
        } else {
            Ok(())
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn opposite_learnings_are_linked_and_equal_ones_merged() {
    let world = world(&[]).await;
    add(
        &world,
        &[
            "Use `npm ci` to install the dependencies of this project",
            "Never use `npm ci` to install the dependencies of this project",
            "Use `npm ci` to install dependencies of this project",
        ],
    )
    .await;
    let report = Learnings(world.app.clone()).reconcile().await.unwrap();
    assert_eq!((report.embedded, report.merged), (3, 1));
    let page = world.get("/api/learnings").await.expect(200);
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{page:#}");
    assert_eq!(items[0]["contradicts"], json!([items[1]["id"]]));
    let (_, received) = started(&world, "octocat/hello", "Install the dependencies with npm").await;
    assert!(received.contains("may contradict L1 and is"), "{received}");

    // What is changed contradicts nothing until it is compared again.
    let id = items[0]["id"].as_str().unwrap();
    let changed = update(
        &world,
        id,
        &json!({ "text": "Charts are drawn with `make charts`" }),
    )
    .await;
    assert_eq!(changed["contradicts"], json!([]));
    Learnings(world.app.clone()).reconcile().await.unwrap();
    let page = world.get("/api/learnings").await.expect(200);
    assert_eq!(page["items"][1]["contradicts"], json!([]));
}

#[tokio::test]
async fn a_merged_learning_was_used_if_one_of_both_was() {
    let world = world(&[]).await;
    let older = "Use `npm ci` to install the dependencies of this project";
    let newer = "Use `npm ci` to install dependencies of this project";
    add(&world, &[older, newer]).await;
    let (worker, received) = started(&world, "octocat/hello", "Install the dependencies with npm").await;
    let position = received
        .lines()
        .filter(|line| line.starts_with("- L"))
        .position(|line| line.ends_with(newer))
        .unwrap();
    assert!(received.contains(older), "{received}");
    let mut body = complete_with(&[]);
    body["learnings"] = json!({ "used": [position + 1] });
    world.call(&worker, "complete", &body).await.expect(200);

    let report = Learnings(world.app.clone()).reconcile().await.unwrap();
    assert_eq!(report.merged, 1);
    let page = world.get("/api/learnings").await.expect(200);
    let merged = &page["items"][0];
    assert_eq!(
        (&merged["text"], &merged["shownCount"], &merged["citedCount"]),
        (&json!(older), &json!(1), &json!(1))
    );
}

#[tokio::test]
async fn learnings_reach_other_repositories_of_the_owner_only_if_that_is_allowed() {
    let mut world = world(&[]).await;
    let text = "Lists of money round each share; give the remainder to the first entry";
    add_to(&world, "acme/private", text).await;
    add_to(&world, "globex/website", "Money is rounded up in lists of shares").await;
    Learnings(world.app.clone()).reconcile().await.unwrap();
    let task = "Round the shares in lists of money";
    let (_, received) = started(&world, "acme/public", task).await;
    assert_eq!(received, "");

    world.restart_with(&with_embedder(&[("LEARNINGS_ACROSS_REPOSITORIES", "true")]));
    let (_, received) = started(&world, "acme/public", task).await;
    let given: Vec<&str> = received.lines().filter(|line| line.starts_with("- L")).collect();
    assert_eq!(given.len(), 1, "{received}");
    assert!(
        given[0].contains("acme/private") && given[0].ends_with(text),
        "{received}"
    );
}

#[tokio::test]
async fn items_of_other_repositories_do_not_retire_a_learning() {
    let world = world(&[("LEARNINGS_ACROSS_REPOSITORIES", "true")]).await;
    let text = "Lists of money round each share; give the remainder to the first entry";
    add_to(&world, "acme/invoices", text).await;
    Learnings(world.app.clone()).reconcile().await.unwrap();
    for _ in 0..20 {
        let (worker, received) = started(&world, "acme/shop", "Round the shares in lists of money").await;
        assert!(received.contains(text), "{received}");
        world.call(&worker, "complete", &complete()).await.expect(200);
    }
    let report = Learnings(world.app.clone()).reconcile().await.unwrap();
    assert_eq!(report.retired, 0);
    assert_eq!(texts(&world, "current").await, [text]);
}

#[tokio::test]
async fn a_learning_that_an_agent_of_another_repository_used_is_not_retired() {
    let world = world(&[("LEARNINGS_ACROSS_REPOSITORIES", "true")]).await;
    let text = "Lists of money round each share; give the remainder to the first entry";
    add_to(&world, "acme/invoices", text).await;
    Learnings(world.app.clone()).reconcile().await.unwrap();
    let task = "Round the shares in lists of money";
    let (worker, received) = started(&world, "acme/shop", task).await;
    assert!(received.contains(text), "{received}");
    let mut body = complete();
    body["learnings"] = json!({ "used": [1] });
    world.call(&worker, "complete", &body).await.expect(200);
    for _ in 0..20 {
        let (worker, _) = started(&world, "acme/invoices", task).await;
        world.call(&worker, "complete", &complete()).await.expect(200);
    }
    let report = Learnings(world.app.clone()).reconcile().await.unwrap();
    assert_eq!(report.retired, 0);
}

#[tokio::test]
async fn without_an_embedder_vectors_are_made_up_for_later() {
    let mut world = World::with(&[
        ("LEARNINGS_HOLDOUT", "0"),
        ("EMBEDDER_PROGRAM", "/nonexistent/whim-embedder"),
    ])
    .await;
    add(&world, &FILLERS).await;
    let error = Learnings(world.app.clone()).reconcile().await.unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("set EMBEDDER_PROGRAM"), "{error}");
    let (_, received) = started(&world, "octocat/hello", "Change the palette of charts").await;
    assert!(received.contains("Colours of charts"), "{received}");
    let status = world.get("/api/status").await.expect(200);
    let warnings: Vec<&str> = status["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("EMBEDDER_PROGRAM") && warning.contains("words only")),
        "{warnings:?}"
    );

    world.restart_with(&with_embedder(&[]));
    let report = Learnings(world.app.clone()).reconcile().await.unwrap();
    assert_eq!(report.embedded, 4);
    let found = world
        .get("/api/learnings?repo=octocat/hello&q=palette&limit=1")
        .await
        .expect(200);
    assert!(found["items"][0]["relevance"]["similarity"].is_f64(), "{found:#}");
    let status = world.get("/api/status").await.expect(200);
    assert!(
        !status["warnings"].to_string().contains("words only"),
        "{status:#}"
    );
}
