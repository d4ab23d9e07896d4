//! Changing the priority of items.

use serde_json::json;
use whim_core::WorkItemId;

use crate::world::{SPEC, World, fail, id_of};

async fn submit(world: &World, priority: &str) -> WorkItemId {
    let body = json!({ "repo": "octocat/hello", "spec": SPEC, "priority": priority });
    id_of(&world.post("/api/work", &body).await.expect(201))
}

fn path(id: WorkItemId) -> String {
    format!("/api/work/{id}/priority")
}

#[tokio::test]
async fn claims_follow_a_changed_priority_and_age_counts_within_it() {
    let world = World::new().await;
    let oldest = submit(&world, "medium").await;
    let first_high = submit(&world, "high").await;
    let raised = submit(&world, "low").await;
    let lowered = submit(&world, "critical").await;
    let second_high = submit(&world, "high").await;

    for (id, priority) in [(raised, "high"), (lowered, "low"), (oldest, "high")] {
        let item = world
            .put(&path(id), &json!({ "priority": priority }))
            .await
            .expect(200);
        assert_eq!(
            (&item["priority"], &item["status"]),
            (&json!(priority), &json!("queued"))
        );
    }

    let queue = world.get("/api/queue").await.expect(200);
    assert_eq!(queue["byPriority"]["high"], 4, "{queue:#}");
    let mut claimed = Vec::new();
    while let Some(worker) = world.claim().await {
        claimed.push(worker.item);
    }
    assert_eq!(claimed, [oldest, first_high, raised, second_high, lowered]);
}

#[tokio::test]
async fn each_change_is_one_event_and_the_same_priority_again_is_none() {
    let world = World::new().await;
    let id = submit(&world, "low").await;
    let events = "select count(*) from events where kind = 'item' and priority = 'critical'";
    for _repeated in 0..2 {
        world
            .put(&path(id), &json!({ "priority": "critical" }))
            .await
            .expect(200);
    }
    assert_eq!(world.number(events).await, 1);
}

#[tokio::test]
async fn a_running_item_keeps_its_worker_and_returns_with_its_new_priority() {
    let world = World::new().await;
    let worker = world.running().await;
    let other = submit(&world, "high").await;
    world
        .put(&path(worker.item), &json!({ "priority": "critical" }))
        .await
        .expect(200);
    assert_eq!(world.status(worker.item).await, "in_progress");
    world.call(&worker, "fail", &fail("crash")).await.expect(200);
    world.release_due_retries().await;
    assert_eq!(world.claim().await.unwrap().item, worker.item);
    assert_eq!(world.claim().await.unwrap().item, other);
}

#[tokio::test]
async fn an_ended_or_unknown_item_and_an_unknown_priority_are_refused() {
    let world = World::new().await;
    let id = submit(&world, "low").await;
    let refused = world.put(&path(id), &json!({ "priority": "urgent" })).await;
    assert_eq!(refused.expect_refused_field(), "priority");
    let refused = world.put(&path(id), &json!({})).await;
    assert_eq!(refused.expect_refused_field(), "priority");
    world
        .post(&format!("/api/work/{id}/cancel"), &json!({}))
        .await
        .expect(200);
    let high = json!({ "priority": "high" });
    assert_eq!(world.put(&path(id), &high).await.expect_error(409), "wrong_state");
    let unknown = world.put(&path(WorkItemId::new()), &high).await;
    assert_eq!(unknown.expect_error(404), "not_found");
}
