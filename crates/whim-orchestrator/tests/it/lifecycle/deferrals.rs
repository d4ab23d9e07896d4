//! Failures that spend no retry: without a limit while nothing gets past them, with one when only this item fails.

use serde_json::{Value, json};
use whim_core::WorkItemId;

use crate::world::{SPEC, World, complete, fail, id_of};

/// Two retries.
const RETRIES: (&str, &str) = ("RETRY_DELAYS_SECONDS", "60,300");

async fn submit(world: &World, priority: &str) -> WorkItemId {
    let body = json!({ "repo": "octocat/hello", "spec": SPEC, "priority": priority });
    id_of(&world.post("/api/work", &body).await.expect(201))
}

/// One attempt of the critical item, which fails for this cause. With `beside`, an item that was started meanwhile is
/// completed before.
async fn attempt(world: &World, item: WorkItemId, cause: &str, beside: bool) -> Value {
    let worker = world.start_worker().await;
    assert_eq!(worker.item, item, "the critical item is claimed first");
    if beside {
        submit(world, "low").await;
        let other = world.start_worker().await;
        world.call(&other, "complete", &complete()).await.expect(200);
    }
    world.call(&worker, "fail", &fail(cause)).await.expect(200);
    world.release_due_retries().await;
    world.item(item).await
}

#[tokio::test]
async fn an_item_that_fails_alone_while_others_get_past_the_same_trouble_ends() {
    for cause in ["github_unavailable", "model_unavailable", "disk_full"] {
        let world = World::with(&[RETRIES]).await;
        let item = submit(&world, "critical").await;

        for free in 1..=5 {
            let shown = attempt(&world, item, cause, true).await;
            let state = (&shown["status"], &shown["retries"]);
            assert_eq!(state, (&json!("queued"), &json!(0)), "{cause}, attempt {free}");
        }
        for spent in 1..=2 {
            let shown = attempt(&world, item, cause, true).await;
            let state = (&shown["status"], &shown["retries"]);
            assert_eq!(state, (&json!("queued"), &json!(spent)), "{cause}");
        }
        let ended = attempt(&world, item, cause, true).await;

        assert_eq!(
            (&ended["status"], &ended["failureCause"]),
            (&json!("failed"), &json!(cause))
        );
        let error = ended["error"].as_str().unwrap();
        assert!(error.contains("8 attempts in a row ended like this"), "{error}");
    }
}

#[tokio::test]
async fn an_outage_that_nothing_gets_past_spends_no_retry_however_long_it_lasts() {
    for cause in ["github_unavailable", "model_limited", "runtime_unavailable"] {
        let world = World::with(&[RETRIES]).await;
        let item = submit(&world, "critical").await;

        for attempts in 1..=12 {
            let shown = attempt(&world, item, cause, false).await;
            let state = (&shown["status"], &shown["retries"]);
            assert_eq!(
                state,
                (&json!("queued"), &json!(0)),
                "{cause}, attempt {attempts}"
            );
        }
    }
}

#[tokio::test]
async fn a_rejected_credential_or_a_missing_image_is_never_the_items_own_trouble() {
    for cause in ["github_refused", "model_refused", "image_unavailable"] {
        let world = World::with(&[RETRIES]).await;
        let item = submit(&world, "critical").await;

        for attempts in 1..=9 {
            let shown = attempt(&world, item, cause, true).await;
            assert_eq!(shown["status"], "queued", "{cause}, attempt {attempts}");
        }
    }
}

#[tokio::test]
async fn another_failure_in_between_starts_the_count_again() {
    let world = World::with(&[RETRIES]).await;
    let item = submit(&world, "critical").await;
    for _ in 0..5 {
        attempt(&world, item, "github_unavailable", true).await;
    }

    attempt(&world, item, "model_unavailable", true).await;
    let shown = attempt(&world, item, "github_unavailable", true).await;

    assert_eq!(
        (&shown["status"], &shown["retries"]),
        (&json!("queued"), &json!(0))
    );
}
