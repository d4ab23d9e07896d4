//! The record of learnings: who received them, and what became of that.

use serde_json::{Value, json};
use whim_orchestrator::reconcile::Learnings;
use whim_service::reconcile::Reconciler as _;

use super::{complete_with, received, started, texts, update};
use crate::world::{World, complete, fail};

const TEXT: &str = "Tests need port 5433";

async fn add(world: &World) -> String {
    let body = json!({ "repo": "octocat/hello", "kind": "gotcha", "text": TEXT });
    let learning = world.post("/api/learnings", &body).await.expect(201);
    learning["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn items_of_the_holdout_receive_nothing_in_any_attempt() {
    let world = World::with(&[("LEARNINGS_HOLDOUT", "100")]).await;
    add(&world).await;
    let (worker, learnings) = started(&world, "octocat/hello", "Greet").await;
    assert_eq!(learnings, "");
    world.call(&worker, "fail", &fail("crash")).await.expect(200);
    world.release_due_retries().await;
    let second = world.claim().await.unwrap();
    assert_eq!(received(&world, &second).await, "");
    let held_out = "select count(*) from learning_attempts where is_holdout and learning_count = 1";
    assert_eq!(world.number(held_out).await, 2);
    assert_eq!(world.number("select count(*) from learning_injections").await, 0);
}

#[tokio::test]
async fn an_item_stays_in_its_arm_when_the_percentage_changes() {
    for (before, after, is_given) in [("0", "100", true), ("100", "0", false)] {
        let mut world = World::with(&[("LEARNINGS_HOLDOUT", before)]).await;
        add(&world).await;
        let (worker, learnings) = started(&world, "octocat/hello", "Greet").await;
        assert_eq!(learnings.contains(TEXT), is_given);
        world.call(&worker, "fail", &fail("crash")).await.expect(200);
        world.release_due_retries().await;

        world.restart_with(&[("LEARNINGS_HOLDOUT", after)]);
        let second = world.claim().await.unwrap();
        assert_eq!(second.item, worker.item);
        assert_eq!(received(&world, &second).await.contains(TEXT), is_given);
        let (_, of_another) = started(&world, "octocat/hello", "Greet again").await;
        assert_eq!(of_another.contains(TEXT), !is_given);
    }
}

#[tokio::test]
async fn what_was_shown_and_used_is_recorded() {
    let world = World::with(&[("LEARNINGS_HOLDOUT", "0")]).await;
    let id = add(&world).await;
    let (worker, _) = started(&world, "octocat/hello", "Greet").await;
    let mut body = complete_with(&[]);
    body["learnings"] = json!({ "used": [1, 7] });
    world.call(&worker, "complete", &body).await.expect(200);
    let (worker, _) = started(&world, "octocat/hello", "Greet again").await;
    world
        .call(&worker, "fail", &fail("push_refused"))
        .await
        .expect(200);

    let details = world.get(&format!("/api/learnings/{id}")).await.expect(200);
    assert_eq!(
        (
            &details["learning"]["shownCount"],
            &details["learning"]["citedCount"]
        ),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        details["record"],
        json!({ "items": 2, "completed": 1, "retried": 0, "cited": 1 })
    );
}

#[tokio::test]
async fn the_uplift_says_that_there_is_not_enough_data() {
    let world = World::with(&[("LEARNINGS_HOLDOUT", "0")]).await;
    add(&world).await;
    let (worker, _) = started(&world, "octocat/hello", "Greet").await;
    world.call(&worker, "complete", &complete()).await.expect(200);
    let uplift = world.get("/api/learnings/uplift").await.expect(200);
    assert_eq!(uplift["all"]["withLearnings"]["items"], 1);
    assert_eq!(uplift["all"]["withLearnings"]["successRate"], 1.0);
    let success = &uplift["all"]["success"];
    assert_eq!(success["estimate"], Value::Null);
    assert!(
        success["summary"]
            .as_str()
            .unwrap()
            .starts_with("not enough data yet")
    );
    assert_eq!(uplift["repositories"], json!([]));
}

#[tokio::test]
async fn a_learning_that_many_items_received_for_nothing_is_retired_unless_it_is_pinned() {
    let world = World::with(&[("LEARNINGS_HOLDOUT", "0")]).await;
    let id = add(&world).await;
    let pinned =
        json!({ "repo": "octocat/hello", "kind": "gotcha", "text": "This one is pinned by a person" });
    let pinned = world.post("/api/learnings", &pinned).await.expect(201);
    update(&world, pinned["id"].as_str().unwrap(), &json!({ "pinned": true })).await;
    let other = json!({ "repo": "octocat/hello", "kind": "gotcha", "text": "Imports are sorted by hand" });
    world.post("/api/learnings", &other).await.expect(201);
    for _ in 0..20 {
        assert_eq!(texts(&world, "retired").await, Vec::<String>::new());
        let (worker, learnings) = started(&world, "octocat/hello", "Greet").await;
        assert!(learnings.contains(TEXT));
        world.call(&worker, "complete", &complete()).await.expect(200);
        // Embedding fails, as no embedder is installed here; retiring does not depend on it.
        let _fails = Learnings(world.app.clone()).reconcile().await;
    }
    let details = world.get(&format!("/api/learnings/{id}")).await.expect(200);
    let reason = details["learning"]["retiredReason"].as_str().unwrap();
    assert!(reason.contains("at least 20 items received it"), "{reason}");
    assert_eq!(texts(&world, "current").await, ["This one is pinned by a person"]);

    // A person knows better; only items that receive them from then on count.
    update(&world, &id, &json!({ "retired": false })).await;
    world.post("/api/learnings", &other).await.expect(201);
    let _fails = Learnings(world.app.clone()).reconcile().await;
    assert_eq!(texts(&world, "retired").await, Vec::<String>::new());
}
