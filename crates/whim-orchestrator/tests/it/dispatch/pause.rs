//! The pause of the queue, and why an item is not running.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use chrono::Utc;
use serde_json::{Value, json};
use whim_core::{WorkItemId, WorkItemStatus, WorkerId};
use whim_orchestrator::admission::BlockedReason;
use whim_orchestrator::dispatch::{self, ClaimOutcome};

use crate::app::{Services, TestApp};
use crate::world::{World, fail};

#[tokio::test]
async fn a_pause_outlives_a_restart_and_nothing_starts_before_it_ends() {
    let services = Services::new().await;
    let app = TestApp::beside(&services, &[]).await;
    let (status, answer) = app
        .post(
            "/api/queue/pause",
            &json!({ "pausedBy": "ana", "reason": "the plan is used up" }),
        )
        .await;
    assert_eq!(
        (status.as_u16(), &answer["paused"]["pausedBy"]),
        (200, &json!("ana"))
    );
    app.kill().await;

    // It polls when it starts, and is notified of the new item.
    let app = TestApp::beside(&services, &[]).await;
    let item = app.submit().await;
    let (_, overview) = app.get("/api/status").await;
    assert_eq!(overview["paused"]["reason"], "the plan is used up");
    assert_eq!(overview["blockedReasons"][0]["code"], "paused");
    assert!(
        overview["blockedReasons"][0]["message"]
            .as_str()
            .unwrap()
            .contains("by ana"),
        "{overview:#}"
    );
    assert_eq!(explain(&app, item.id).await["reasonCode"], "paused");
    assert_claims_are_refused(&app).await;
    assert_eq!(app.item(item.id).await.lease_epoch.number(), 0, "never claimed");

    let before = Utc::now();
    let (status, answer) = app.post("/api/queue/resume", &json!({})).await;
    assert_eq!((status.as_u16(), &answer), (200, &json!({ "paused": null })));
    app.wait_for_worker(item.id).await;
    let item = app.item(item.id).await;
    assert!(item.started_at.unwrap() >= before, "{item:?}");
    assert_eq!(explain(&app, item.id).await["reasonCode"], "running");
    app.stop().await;
}

/// A claim, as the dispatcher makes it.
async fn assert_claims_are_refused(app: &TestApp) {
    let claimed = dispatch::claim(&app.app, WorkerId::new()).await.unwrap();
    assert!(
        matches!(&claimed, ClaimOutcome::Blocked(reasons) if matches!(reasons[..], [BlockedReason::Paused(_)])),
        "{claimed:?}"
    );
}

async fn explain(app: &TestApp, id: WorkItemId) -> Value {
    let (status, answer) = app.get(&format!("/api/work/{id}/explain")).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test]
async fn resuming_starts_items_without_polling_and_running_workers_continue_in_a_pause() {
    let app = TestApp::with(&[("DISPATCH_INTERVAL_SECONDS", "600")]).await;
    let first = app.submit().await;
    let worker = app.wait_for_worker(first.id).await;
    app.post("/api/queue/pause", &json!({})).await;

    app.register(worker).await;
    app.wait_for_status(first.id, WorkItemStatus::InProgress).await;
    let second = app.submit().await;
    assert_claims_are_refused(&app).await;
    assert_eq!(app.item(second.id).await.lease_epoch.number(), 0, "never claimed");
    app.post("/api/queue/resume", &json!({})).await;

    app.wait_for_worker(second.id).await;
    app.stop().await;
}

#[tokio::test]
async fn a_second_pause_keeps_the_first_and_its_fields_are_bounded() {
    let world = World::new().await;
    let pause = async |by: &str| world.post("/api/queue/pause", &json!({ "pausedBy": by })).await;
    pause("ana").await.expect(200);
    assert_eq!(pause("bea").await.expect(200)["paused"]["pausedBy"], "ana");
    assert_eq!(pause(" ").await.expect_refused_field(), "pausedBy");
    assert_eq!(pause(&"x".repeat(5000)).await.expect_refused_field(), "pausedBy");
    let unknown = world.post("/api/queue/pause", &json!({ "who": "ana" })).await;
    assert_eq!(unknown.expect_refused_field(), "who");
}

#[tokio::test]
async fn explain_gives_the_reason_for_each_state_of_an_item() {
    let world = World::with(&[("MAX_WORKERS", "1"), ("COOLDOWN_SECONDS", "0")]).await;
    let explain = async |id: WorkItemId| world.get(&format!("/api/work/{id}/explain")).await.expect(200);
    let (first, second) = (world.submit().await, world.submit().await);

    assert_eq!(explain(first).await["reasonCode"], "next");
    let behind = explain(second).await;
    assert_eq!(
        (&behind["reasonCode"], &behind["explanation"]),
        (&json!("behind"), &json!("One item is ahead of it in the queue."))
    );

    let worker = world.start_worker().await;
    assert_eq!(explain(first).await["reasonCode"], "running");
    let full = explain(second).await;
    assert_eq!(full["reasonCode"], "no_slot");
    assert!(
        full["explanation"].as_str().unwrap().contains("MAX_WORKERS"),
        "{full}"
    );

    world.call(&worker, "fail", &fail("crash")).await.expect(200);
    let waits = explain(first).await;
    assert_eq!(waits["reasonCode"], "backoff");
    assert!(waits["retryAt"].is_string(), "{waits}");
    assert!(
        waits["explanation"]
            .as_str()
            .unwrap()
            .contains("failed: it broke."),
        "{waits}"
    );
    assert_eq!(explain(second).await["reasonCode"], "next");

    let cancel = json!({ "cancelledBy": "ana" });
    world
        .post(&format!("/api/work/{second}/cancel"), &cancel)
        .await
        .expect(200);
    let ended = explain(second).await;
    assert_eq!(
        ended["explanation"],
        format!("It is cancelled: Cancelled by ana. POST /api/work/{second}/requeue runs it again.")
    );
    let unknown = world
        .get(&format!("/api/work/{}/explain", WorkItemId::new()))
        .await;
    assert_eq!(unknown.expect_error(404), "not_found");
}

#[tokio::test]
async fn a_used_up_budget_is_explained_with_its_reset_time() {
    let world = World::with(&[("DAILY_BUDGET", "10"), ("COOLDOWN_SECONDS", "0")]).await;
    world.running().await;
    let waiting = world.submit().await;
    let why = world
        .get(&format!("/api/work/{waiting}/explain"))
        .await
        .expect(200);
    assert_eq!(why["reasonCode"], "budget_used_up");
    assert!(why["retryAt"].is_string(), "{why}");
}

#[tokio::test]
async fn a_running_item_is_explained_by_its_stage_and_the_failure_of_the_previous_attempt() {
    let world = World::with(&[("COOLDOWN_SECONDS", "0")]).await;
    let first = world.running().await;
    let explain = async || {
        let path = format!("/api/work/{}/explain", first.item);
        let explained = world.get(&path).await.expect(200);
        assert_eq!(explained["reasonCode"], "running", "{explained:#}");
        explained["explanation"].as_str().unwrap().to_owned()
    };
    assert!(explain().await.contains("is still preparing the workspace"));
    let failed = json!({ "cause": "github_unavailable", "reason": "cloning failed: early EOF" });
    world.call(&first, "fail", &failed).await.expect(200);
    sqlx::query("update work_items set next_retry_at = null")
        .execute(&world.pool)
        .await
        .unwrap();

    let second = world.claim().await.expect("an item is claimable");
    assert!(
        explain()
            .await
            .ends_with("The previous attempt failed: cloning failed: early EOF."),
        "while it has not registered"
    );
    world.register(&second, "another-nonce").await.expect(200);
    let explained = explain().await;
    assert!(
        explained.contains("is still preparing the workspace")
            && explained.ends_with("The previous attempt failed: cloning failed: early EOF."),
        "{explained}"
    );

    sqlx::query("update worker_heartbeats set stage = 'working', iteration = 3 where worker_id = $1")
        .bind(second.id)
        .execute(&world.pool)
        .await
        .unwrap();
    let explained = explain().await;
    assert!(explained.contains("in iteration 3 of at most 10"), "{explained}");
}
