//! Learnings: from reports of attempts to what later attempts receive.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod capture;
mod embedder;
mod giving;
mod proof;
mod vectors;

use serde_json::{Value, json};

use crate::world::{TestWorker, World, complete, id_of};

/// The body of a `complete` call with these learnings.
pub(crate) fn complete_with(learnings: &[(&str, &str)]) -> Value {
    let mut body = complete();
    body["learnings"] = reported(learnings);
    body
}

fn reported(learnings: &[(&str, &str)]) -> Value {
    let new: Vec<Value> = learnings
        .iter()
        .map(|(kind, text)| json!({ "kind": kind, "text": text }))
        .collect();
    json!({ "new": new })
}

/// A registered worker on a new item of the repository, and the learnings that it received.
async fn started(world: &World, repo: &str, task: &str) -> (TestWorker, String) {
    let spec = format!("# Change it\n\n## Goal\nFor users.\n\n## Tasks\n\n- [ ] {task}\n  - It works\n");
    let item = world
        .post("/api/work", &json!({ "repo": repo, "spec": spec }))
        .await
        .expect(201);
    let worker = world.claim().await.unwrap();
    assert_eq!(worker.item, id_of(&item));
    let learnings = received(world, &worker).await;
    (worker, learnings)
}

/// What a worker receives when it registers.
async fn received(world: &World, worker: &TestWorker) -> String {
    let registered = world.register(worker, "nonce").await.expect(200);
    registered["workItem"]["learnings"].as_str().unwrap().to_owned()
}

/// Changes a learning.
async fn update(world: &World, id: &str, change: &Value) -> Value {
    let path = format!("/api/learnings/{id}");
    let request = crate::world::request(axum::http::Method::PATCH, &path);
    world
        .send(crate::world::with_json(request, change))
        .await
        .expect(200)
}

/// Reports what became of the pull request of the worker's item.
async fn decide(world: &World, worker: &TestWorker, outcome: &str) -> Value {
    let path = format!("/api/learnings/quarantine/{}", worker.item);
    world.put(&path, &json!({ "outcome": outcome })).await.expect(200)
}

/// Learnings in a state.
async fn texts(world: &World, state: &str) -> Vec<String> {
    let page = world
        .get(&format!("/api/learnings?state={state}"))
        .await
        .expect(200);
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|item| item["text"].as_str().unwrap().to_owned())
        .collect()
}
