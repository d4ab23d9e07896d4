//! Vectors, with the real embedder and its model.

use std::path::PathBuf;

use serde_json::{Value, json};
use whim_orchestrator::reconcile::Learnings;
use whim_service::reconcile::Reconciler as _;
use whim_testkit::tools;

use super::started;
use crate::workers::orchestrator_program;
use crate::world::World;

/// The orchestrator's environment with the embedder that `cargo build --workspace` made.
async fn world() -> World {
    let program: PathBuf = orchestrator_program().with_file_name("whim-embedder");
    assert!(
        program.is_file(),
        "run `cargo build --workspace` first: there is no {}",
        program.display()
    );
    let model = tools::embedding_model().unwrap();
    World::with(&[
        ("LEARNINGS_HOLDOUT", "0"),
        ("LEARNINGS_TOKEN_BUDGET", "170"),
        ("EMBEDDER_PROGRAM", program.to_str().unwrap()),
        ("EMBEDDING_MODEL_DIR", model.to_str().unwrap()),
    ])
    .await
}

async fn add(world: &World, texts: &[&str]) {
    for text in texts {
        let body = json!({ "repo": "octocat/hello", "kind": "gotcha", "text": text });
        world.post("/api/learnings", &body).await.expect(201);
    }
}

const FILLERS: [&str; 4] = [
    "The linter wants imports in the order of the alphabet, which `make fmt` does",
    "Screenshots of the manual are made with the theme `paper` and 1200 pixels wide",
    "Colours of charts come from the palette in `theme.ts` and never from literals",
    "Release notes are generated from labels, so each change needs exactly one label",
];

#[tokio::test]
async fn learnings_are_found_by_their_meaning_and_the_embedder_ends_when_idle() {
    let world = world().await;
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
}

#[tokio::test]
async fn opposite_learnings_are_linked_and_equal_ones_merged() {
    let world = world().await;
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
}

#[tokio::test]
async fn without_an_embedder_vectors_are_made_up_for_later() {
    let missing = World::with(&[
        ("LEARNINGS_HOLDOUT", "0"),
        ("EMBEDDER_PROGRAM", "/nonexistent/whim-embedder"),
    ])
    .await;
    add(&missing, &FILLERS).await;
    let error = Learnings(missing.app.clone()).reconcile().await.unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("set EMBEDDER_PROGRAM"), "{error}");
    let (_, received) = started(&missing, "octocat/hello", "Change the palette of charts").await;
    assert!(received.contains("Colours of charts"), "{received}");
    let status = missing.get("/api/status").await.expect(200);
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

    let with = world().await;
    add(&with, &FILLERS).await;
    let report = Learnings(with.app.clone()).reconcile().await.unwrap();
    assert_eq!(report.embedded, 4);
}
