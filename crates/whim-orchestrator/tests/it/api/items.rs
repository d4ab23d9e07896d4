//! Cancelling and requeueing items.

use serde_json::{Value, json};
use whim_core::WorkItemId;

use crate::world::{HEAD, SPEC, SPEC_HALF_DONE, World, complete, fail, id_of};

#[tokio::test]
async fn a_queued_item_is_cancelled_and_never_claimed() {
    let world = World::new().await;
    let id = world.submit().await;

    let cancel = json!({ "cancelledBy": "octocat", "reason": "not needed any more" });
    let cancelled = world
        .post(&format!("/api/work/{id}/cancel"), &cancel)
        .await
        .expect(200);

    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(cancelled["error"], "Cancelled by octocat: not needed any more");
    assert_ne!(cancelled["endedAt"], Value::Null);
    assert!(world.claim().await.is_none());
    // Cancelling again succeeds and keeps the first reason.
    let again = world
        .post(&format!("/api/work/{id}/cancel"), &json!({}))
        .await
        .expect(200);
    assert_eq!(again, cancelled);
}

#[tokio::test]
async fn cancelling_a_running_item_ends_its_worker_and_releases_what_it_locked() {
    let world = World::new().await;
    let worker = world.running().await;
    let lock = json!({ "files": ["src/main.rs"] });
    world.call(&worker, "lock", &lock).await.expect(200);

    let path = format!("/api/work/{}/cancel", worker.item);
    assert_eq!(
        world.post(&path, &json!({})).await.expect(200)["error"],
        "Cancelled"
    );

    let workers = world.get("/api/workers").await.expect(200);
    let shown = &workers["items"][0];
    assert_eq!(
        (&shown["status"], &shown["leaseExpiresAt"]),
        (&json!("killed"), &Value::Null)
    );
    assert_eq!(
        world
            .number("select count(*) from workers where stop_requested and stopped_at is null")
            .await,
        1
    );
    let other = world.running().await;
    world.call(&other, "lock", &lock).await.expect(200);
}

#[tokio::test]
async fn completed_and_failed_items_cannot_be_cancelled() {
    let world = World::new().await;
    for (route, body, status) in [
        ("complete", complete(), "completed"),
        ("fail", fail("push_refused"), "failed"),
    ] {
        let worker = world.running().await;
        world.call(&worker, route, &body).await.expect(200);
        let refused = world
            .post(&format!("/api/work/{}/cancel", worker.item), &json!({}))
            .await
            .expect(409);
        assert_eq!(
            (&refused["code"], &refused["details"]["status"]),
            (&json!("wrong_state"), &json!(status))
        );
    }
}

#[tokio::test]
async fn a_failed_item_is_requeued_once_for_each_ended_run() {
    let world = World::new().await;
    let worker = world.running().await;
    let progress = json!({ "seq": 1, "spec": SPEC_HALF_DONE, "headSha": HEAD });
    world.call(&worker, "heartbeat", &progress).await.expect(200);
    world
        .call(&worker, "fail", &fail("push_refused"))
        .await
        .expect(200);
    let path = format!("/api/work/{}/requeue", worker.item);
    for after_run in [0, 2, 9] {
        let refused = world.post(&path, &json!({ "afterRun": after_run })).await;
        let body = refused.expect(400);
        assert_eq!(body["details"]["field"], "afterRun", "{body:#}");
        assert_eq!(
            body["error"],
            format!("afterRun: is {after_run}, but the item is in run 1; expected 1 to 1")
        );
    }

    let requeued = world.post(&path, &json!({ "afterRun": 1 })).await.expect(200);

    assert_eq!(
        (&requeued["status"], &requeued["run"]),
        (&json!("queued"), &json!(2))
    );
    assert_eq!(
        (
            &requeued["error"],
            &requeued["failureCause"],
            &requeued["endedAt"]
        ),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(
        (&requeued["spec"], &requeued["tasksDone"]),
        (&json!(SPEC_HALF_DONE), &json!(1)),
        "it resumes"
    );
    let again = world.post(&path, &json!({ "afterRun": 1 })).await.expect(200);
    assert_eq!(again["run"], 2);
    // Without `afterRun` it requests another run, and the current one has not ended.
    let refused = world.post(&path, &json!({})).await.expect(409);
    assert_eq!(
        (&refused["code"], &refused["details"]["status"]),
        (&json!("wrong_state"), &json!("queued"))
    );
    assert_eq!(
        world.start_worker().await.epoch.number(),
        2,
        "the epoch keeps increasing"
    );
}

#[tokio::test]
async fn a_completed_item_that_is_requeued_restarts_with_open_tasks() {
    let world = World::new().await;
    let worker = world.running().await;
    world.call(&worker, "complete", &complete()).await.expect(200);

    let path = format!("/api/work/{}/requeue", worker.item);
    let requeued = world.post(&path, &json!({})).await.expect(200);

    assert_eq!(
        (&requeued["status"], &requeued["spec"]),
        (&json!("queued"), &json!(SPEC))
    );
    assert_eq!(
        (&requeued["tasksDone"], &requeued["prUrl"], &requeued["retries"]),
        (&json!(0), &Value::Null, &json!(0))
    );
    let next = world.claim().await.expect("an item");
    let assignment = world.register(&next, "n").await.expect(200);
    assert_eq!(
        (
            &assignment["workItem"]["headSha"],
            &assignment["workItem"]["attempt"]
        ),
        (&Value::Null, &json!(2))
    );
}

#[tokio::test]
async fn an_item_is_not_requeued_onto_a_branch_that_another_one_works_on() {
    let world = World::new().await;
    let body = json!({ "repo": "octocat/hello", "branch": "ai/greet", "spec": SPEC });
    let first = id_of(&world.post("/api/work", &body).await.expect(201));
    world
        .post(&format!("/api/work/{first}/cancel"), &json!({}))
        .await
        .expect(200);
    let second = world.post("/api/work", &body).await.expect(201);

    let refused = world
        .post(&format!("/api/work/{first}/requeue"), &json!({}))
        .await
        .expect(409);

    assert_eq!(
        (&refused["code"], &refused["details"]["workItemId"]),
        (&json!("branch_in_use"), &second["id"])
    );
    assert_eq!(world.status(first).await, "cancelled");
}

#[tokio::test]
async fn an_unknown_item_is_not_found() {
    let world = World::new().await;
    let id = WorkItemId::new();
    assert_eq!(
        world.get(&format!("/api/work/{id}")).await.expect_error(404),
        "not_found"
    );
    for (route, body) in [
        ("cancel", json!({})),
        ("requeue", json!({})),
        ("spec/fail", json!({ "run": 1, "reason": "x", "retryable": true })),
    ] {
        assert_eq!(
            world
                .post(&format!("/api/work/{id}/{route}"), &body)
                .await
                .expect_error(404),
            "not_found"
        );
    }
    assert_eq!(
        world
            .put(
                &format!("/api/work/{id}/spec"),
                &json!({ "run": 1, "spec": SPEC })
            )
            .await
            .expect_error(404),
        "not_found"
    );
    assert_eq!(world.get("/api/work/7").await.expect_refused_field(), "id");
}
