//! The pause of the queue, and why an item is not running.

use chrono::Utc;
use serde_json::{Value, json};
use whim_core::{WorkItemId, WorkItemStatus, WorkerId};
use whim_orchestrator::dispatch::{self, BlockedReason, ClaimOutcome};

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

    // Looks at the queue when it starts, and is told of the new item.
    let app = TestApp::beside(&services, &[]).await;
    let item = app.submit().await;
    let (_, told) = app.get("/api/status").await;
    assert_eq!(told["paused"]["reason"], "the plan is used up");
    assert!(
        told["blockedReasons"][0].as_str().unwrap().contains("by ana"),
        "{told:#}"
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
        matches!(claimed, ClaimOutcome::Refused(BlockedReason::Paused(_))),
        "{claimed:?}"
    );
}

async fn explain(app: &TestApp, id: WorkItemId) -> Value {
    let (status, answer) = app.get(&format!("/api/work/{id}/explain")).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test]
async fn resuming_starts_without_waiting_for_the_tick_and_what_runs_goes_on_in_a_pause() {
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
async fn every_item_says_why_it_is_not_running() {
    let world = World::with(&[("MAX_WORKERS", "1"), ("COOLDOWN_SECONDS", "0")]).await;
    let explain = async |id: WorkItemId| world.get(&format!("/api/work/{id}/explain")).await.expect(200);
    let (first, second) = (world.submit().await, world.submit().await);

    assert_eq!(explain(first).await["reasonCode"], "next");
    let behind = explain(second).await;
    assert_eq!(
        (&behind["reasonCode"], &behind["explanation"]),
        (&json!("behind"), &json!("One item comes before it."))
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
        waits["explanation"].as_str().unwrap().ends_with("it broke"),
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
        "It is cancelled; a requeue runs it again: Cancelled by ana"
    );
    let unknown = world
        .get(&format!("/api/work/{}/explain", WorkItemId::new()))
        .await;
    assert_eq!(unknown.expect_error(404), "not_found");
}

#[tokio::test]
async fn a_budget_that_is_used_up_is_explained_with_its_end() {
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
