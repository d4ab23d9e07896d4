//! Workers that exit, stop sending heartbeats, are cancelled or orphaned; items whose backoff is over.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::AsyncCommands as _;
use serde_json::{Value, json};
use whim_core::protocol::work::WorkItem;
use whim_core::{FailureCause, WorkItemStatus, WorkerId, WorkerStatus};
use whim_orchestrator::db::workers;
use whim_orchestrator::locks::LockMode;
use whim_orchestrator::reconcile::{Clocks, ExpiredLeases, SuspendDetector};
use whim_runtime::ExitKind;
use whim_service::reconcile::Reconciler as _;
use whim_testkit::wait::wait_until;

use crate::app::{PATIENCE, Services, TestApp};
use crate::world::World;

async fn worker_status(app: &TestApp, worker: WorkerId) -> (WorkerStatus, Option<FailureCause>) {
    let worker = workers::find(&app.app.database, worker).await.unwrap().unwrap();
    (worker.status, worker.failure_cause)
}

async fn wait_until_stopped(app: &TestApp, worker: WorkerId) {
    wait_until("the worker to be stopped", PATIENCE, async || {
        let stopped = app.runtime.stopped();
        if stopped.contains(&worker) {
            Ok(())
        } else {
            Err(format!("{stopped:?}"))
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_dead_worker_is_known_from_the_runtime_long_before_its_lease_ends() {
    let app = TestApp::with(&[
        ("RETRY_DELAYS_SECONDS", "60"),
        ("DISPATCH_INTERVAL_SECONDS", "600"),
    ])
    .await;
    let (item, worker) = app.running().await;

    app.runtime.exit(worker, 101);

    let item = app
        .wait_for(item.id, "the item to be queued again", |item| {
            item.status == WorkItemStatus::Queued
        })
        .await;
    assert_eq!((item.retries, item.failure_cause), (1, Some(FailureCause::Crash)));
    assert!(item.next_retry_at.is_some());
    assert_eq!(
        item.error.as_deref(),
        Some("The worker ended without a final report: the worker exited with code 101.")
    );
    assert_eq!(
        worker_status(&app, worker).await,
        (WorkerStatus::Failed, Some(FailureCause::Crash))
    );
    app.stop().await;
}

#[tokio::test]
async fn the_exit_of_a_worker_after_its_final_report_changes_nothing() {
    let app = TestApp::with(&[("RETRY_DELAYS_SECONDS", "none")]).await;
    let (item, worker) = app.running().await;
    let report = json!({ "cause": "push_refused", "reason": "The repository refused the push." });
    let (code, answer) = app.worker_call(worker, "fail", &report).await;
    assert_eq!(code, 200, "{answer}");

    app.runtime.exit(worker, 1);
    wait_until("the exit to be recorded", PATIENCE, async || {
        let awaiting = workers::awaiting_stop(&app.app.database, app.app.runtime.instance())
            .await
            .unwrap();
        if awaiting.is_empty() {
            Ok(())
        } else {
            Err(format!("{awaiting:?}"))
        }
    })
    .await
    .unwrap();

    let item = app.item(item.id).await;
    assert_eq!(
        (item.status, item.failure_cause, item.error.as_deref()),
        (
            WorkItemStatus::Failed,
            Some(FailureCause::PushRefused),
            Some("The repository refused the push.")
        )
    );
    assert_eq!(app.runtime.stopped(), [], "it ended on its own");
    app.stop().await;
}

#[tokio::test]
async fn a_restart_of_the_machine_costs_no_retry_although_the_lease_has_expired() {
    let app = TestApp::with(&[("DISPATCH_INTERVAL_SECONDS", "600")]).await;
    let (item, worker) = app.running().await;
    app.runtime.exit_unnoticed(worker, ExitKind::RuntimeStopped);
    sqlx::query("update worker_heartbeats set lease_expires_at = now() - interval '1 hour'")
        .execute(&app.app.database)
        .await
        .unwrap();

    // Finds the worker before the reconciler of exits does.
    let reconciler = ExpiredLeases::new(&app.app, SuspendDetector::new(Clocks::now));
    let report = reconciler.reconcile().await.unwrap();

    assert_eq!(report.ended, []);
    let item = app
        .wait_for(item.id, "the end of the attempt", |item| {
            item.failure_cause.is_some()
        })
        .await;
    assert_eq!(
        (item.retries, item.failure_cause),
        (0, Some(FailureCause::RuntimeUnavailable))
    );
    app.stop().await;
}

#[tokio::test]
async fn a_suspended_machine_costs_its_workers_neither_lease_nor_retry() {
    let world = World::new().await;
    let (own, other) = (world.running().await, world.running().await);
    sqlx::query("update workers set instance = 'another machine' where id = $1")
        .bind(other.id)
        .execute(&world.pool)
        .await
        .unwrap();
    let start = Clocks::now();
    let readings = AtomicU32::new(0);
    // An hour passes on the wall clock between two runs, and a second on the monotonic one.
    let reconciler = ExpiredLeases::new(
        &world.app,
        SuspendDetector::new(move || {
            let run = readings.fetch_add(1, Ordering::Relaxed);
            Clocks {
                wall: start.wall + Duration::from_hours(1) * run,
                monotonic: start.monotonic + Duration::from_secs(1) * run,
            }
        }),
    );
    reconciler.reconcile().await.unwrap();
    sqlx::query(
        "update worker_heartbeats
         set lease_expires_at = now() - interval '1 hour', progress_at = now() - interval '1 hour'",
    )
    .execute(&world.pool)
    .await
    .unwrap();

    let report = reconciler.reconcile().await.unwrap();

    assert_eq!((report.renewed, report.ended), (1, vec![other.id]));
    world
        .call(&own, "heartbeat", &json!({ "seq": 1 }))
        .await
        .expect(200);
    assert_eq!(world.item(own.item).await["retries"], 0);
    assert_eq!(world.item(other.item).await["failureCause"], "lost");
}

#[tokio::test]
async fn a_worker_whose_container_was_removed_is_lost() {
    let app = TestApp::with(&[("RETRY_DELAYS_SECONDS", "60")]).await;
    let (item, worker) = app.running().await;

    app.runtime.forget(worker);

    let item = app.wait_for_status(item.id, WorkItemStatus::Queued).await;
    assert_eq!((item.retries, item.failure_cause), (1, Some(FailureCause::Lost)));
    app.stop().await;
}

#[tokio::test]
async fn a_worker_without_heartbeats_loses_its_item_and_is_stopped_and_fenced() {
    let app = TestApp::with(&[
        ("STALE_THRESHOLD", "0.6"),
        ("HEARTBEAT_INTERVAL_SECONDS", "0.2"),
        ("RETRY_DELAYS_SECONDS", "60"),
    ])
    .await;
    let (item, worker) = app.running().await;

    let item = app.wait_for_status(item.id, WorkItemStatus::Queued).await;

    assert_eq!((item.retries, item.failure_cause), (1, Some(FailureCause::Lost)));
    assert_eq!(
        item.error.as_deref(),
        Some("The worker sent no heartbeat for 0.6 s.")
    );
    wait_until_stopped(&app, worker).await;
    for (route, body) in [
        ("heartbeat", json!({ "seq": 1 })),
        ("fail", json!({ "cause": "crash", "reason": "late" })),
    ] {
        let (code, answer) = app.worker_call(worker, route, &body).await;
        assert_eq!(
            (code.as_u16(), &answer["code"]),
            (409, &json!("lease_lost")),
            "{route}: {answer}"
        );
    }
    app.stop().await;
}

#[tokio::test]
async fn a_worker_that_never_registers_costs_no_retry_five_times_and_then_counts_as_lost() {
    let app = TestApp::with(&[
        ("REGISTER_TIMEOUT_SECONDS", "0.1"),
        ("RETRY_DELAYS_SECONDS", "0.05"),
        // Otherwise the breaker of the runtime opens.
        ("BREAKER_THRESHOLD", "1000"),
    ])
    .await;
    let item = app.submit().await;

    let item = app.wait_for_status(item.id, WorkItemStatus::Failed).await;

    // Five free starts, then the first attempt that counts and its one retry.
    assert_eq!((item.lease_epoch.number(), item.retries), (7, 1));
    assert_eq!(item.failure_cause, Some(FailureCause::Lost));
    assert_eq!(
        item.error.as_deref(),
        Some("The worker was started and did not register within 0.1 s.")
    );
    app.stop().await;
}

#[tokio::test]
async fn an_item_that_crashes_every_worker_is_given_up_after_its_retries() {
    let app = TestApp::with(&[("RETRY_DELAYS_SECONDS", "0.05,0.05,0.05")]).await;
    let poison = app.submit().await;
    let mut seen = Vec::new();

    let item = wait_until("the item to have failed", PATIENCE, async || {
        for worker in app.runtime.running() {
            if !seen.contains(&worker) {
                seen.push(worker);
                app.register(worker).await;
                app.runtime.exit(worker, 139);
            }
        }
        let item = app.item(poison.id).await;
        if item.status == WorkItemStatus::Failed {
            Ok(item)
        } else {
            Err(format!("{item:?}"))
        }
    })
    .await
    .unwrap();

    assert_eq!(
        (seen.len(), item.retries, item.failure_cause),
        (4, 3, Some(FailureCause::Crash))
    );
    // Nothing blocks other items.
    let next = app.submit().await;
    app.wait_for_worker(next.id).await;
    app.stop().await;
}

/// Sends heartbeats with the events of `happens`, which gets the sequence number, until the worker loses its item.
async fn send_heartbeats_until_the_lease_is_lost(
    app: &TestApp,
    item: &WorkItem,
    worker: WorkerId,
    happens: impl Fn(usize) -> Vec<Value>,
) -> WorkItem {
    let mut seq = 0;
    wait_until("the item to be queued again", PATIENCE, async || {
        seq += 1;
        let events: Vec<Value> = happens(seq)
            .into_iter()
            .map(|event| json!({ "occurredAt": "2026-11-20T12:00:00Z", "type": "ralph", "event": event }))
            .collect();
        let heartbeat = json!({ "seq": seq, "events": events });
        let (_code, _answer) = app.worker_call(worker, "heartbeat", &heartbeat).await;
        let item = app.item(item.id).await;
        if item.status == WorkItemStatus::Queued {
            Ok(item)
        } else {
            Err(format!("{item:?}"))
        }
    })
    .await
    .unwrap()
}

const IMPATIENT: [(&str, &str); 3] = [
    ("PROGRESS_DEADLINE_SECONDS", "0.6"),
    ("HEARTBEAT_INTERVAL_SECONDS", "0.05"),
    ("RETRY_DELAYS_SECONDS", "60"),
];

#[tokio::test]
async fn a_worker_with_heartbeats_but_without_progress_is_stuck() {
    let app = TestApp::with(&IMPATIENT).await;
    let (item, worker) = app.running().await;

    let item = send_heartbeats_until_the_lease_is_lost(&app, &item, worker, |_seq| Vec::new()).await;

    assert_eq!(item.failure_cause, Some(FailureCause::Stuck));
    assert_eq!(
        worker_status(&app, worker).await,
        (WorkerStatus::Stuck, Some(FailureCause::Stuck))
    );
    wait_until_stopped(&app, worker).await;
    app.stop().await;
}

// docs/faults.md, row 14.
#[tokio::test]
async fn a_worker_whose_agent_only_repeats_itself_is_stuck() {
    let app = TestApp::with(&IMPATIENT).await;
    let (item, worker) = app.running().await;

    // It reports every step, but the steps repeat.
    let item = send_heartbeats_until_the_lease_is_lost(&app, &item, worker, |seq| {
        let (path, digest) = (
            ["src/lib.rs", "src/main.rs"][seq % 2],
            ["00aa", "00bb", "00cc"][seq % 3],
        );
        vec![
            json!({ "event": "tool", "type": "read", "path": path }),
            json!({ "event": "tool", "type": "bash", "digest": digest }),
        ]
    })
    .await;

    assert_eq!(item.failure_cause, Some(FailureCause::Stuck));
    app.stop().await;
}

#[tokio::test]
async fn cancelling_an_item_stops_its_worker() {
    let app = TestApp::start().await;
    let (item, worker) = app.running().await;

    let (code, answer) = app
        .post(&format!("/api/work/{}/cancel", item.id), &json!({}))
        .await;
    assert_eq!(code, 200, "{answer}");

    wait_until_stopped(&app, worker).await;
    let item = app.item(item.id).await;
    assert_eq!(
        (item.status, item.error.is_some()),
        (WorkItemStatus::Cancelled, true)
    );
    // Its exit status after the stop changes nothing.
    assert_eq!(worker_status(&app, worker).await, (WorkerStatus::Killed, None));
    app.stop().await;
}

#[tokio::test]
async fn only_the_instance_that_started_a_worker_acts_on_it() {
    let services = Services::new().await;
    let (owner, other) = tokio::join!(
        TestApp::beside(&services, &[]),
        // Claims nothing, but cancels and reconciles.
        TestApp::beside(&services, &[("MAX_WORKERS", "0")])
    );
    let (item, worker) = owner.running().await;

    let (code, answer) = other
        .post(&format!("/api/work/{}/cancel", item.id), &json!({}))
        .await;
    assert_eq!(code, 200, "{answer}");

    wait_until_stopped(&owner, worker).await;
    assert_eq!(other.runtime.stopped(), []);
    owner.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn an_orphaned_worker_is_stopped() {
    let app = TestApp::start().await;
    let (_item, known) = app.running().await;
    let stray = WorkerId::new();

    app.runtime.plant(stray);

    wait_until_stopped(&app, stray).await;
    assert_eq!(app.runtime.running(), [known]);
    app.stop().await;
}

#[tokio::test]
async fn an_item_is_claimed_again_after_its_backoff() {
    let app = TestApp::with(&[("RETRY_DELAYS_SECONDS", "0.3")]).await;
    let (item, worker) = app.running().await;
    app.runtime.exit(worker, 1);

    let item = app
        .wait_for(item.id, "a second worker", |item| {
            item.worker_id.is_some_and(|id| id != worker)
        })
        .await;

    assert_eq!((item.lease_epoch.number(), item.next_retry_at), (2, None));
    app.stop().await;
}

#[tokio::test]
async fn locks_of_a_worker_that_ended_while_redis_was_unavailable_are_released_later() {
    let app = TestApp::start().await;
    let (item, worker) = app.running().await;
    let (code, answer) = app
        .worker_call(worker, "lock", &json!({ "files": ["src/main.rs"] }))
        .await;
    assert_eq!(code, 200, "{answer}");

    // The lock that the end of the worker would have released if Redis had been available.
    let ended = WorkerId::new();
    app.app
        .locks
        .acquire(
            ended,
            &item.repo,
            &["src/lib.rs".parse().unwrap()],
            LockMode::AllOrNothing,
        )
        .await
        .unwrap();

    wait_until("the orphaned lock to be released", PATIENCE, async || {
        let holders = app.app.locks.holders().await.unwrap();
        if holders == [worker] {
            Ok(())
        } else {
            Err(format!("{holders:?}"))
        }
    })
    .await
    .unwrap();
    app.stop().await;
}

// docs/faults.md, row 33.
#[tokio::test]
async fn the_locks_of_live_workers_are_restored_after_redis_was_emptied() {
    let services = Services::with_own_redis().await;
    let app = TestApp::beside(&services, &[]).await;
    let (_item, worker) = app.running().await;
    let (code, answer) = app
        .worker_call(worker, "lock", &json!({ "files": ["src/main.rs"] }))
        .await;
    assert_eq!(code, 200, "{answer}");

    services.redis.restart_empty().await.unwrap();

    wait_until("the lock to be restored", PATIENCE, async || {
        match app.app.locks.holders().await {
            Ok(holders) if holders == [worker] => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
    .unwrap();
    app.stop().await;
}

#[tokio::test]
async fn the_copy_of_the_budget_is_restored_after_redis_was_emptied() {
    let services = Services::with_own_redis().await;
    let app = TestApp::beside(&services, &[]).await;
    let (_item, _worker) = app.running().await;
    let day: String = sqlx::query_scalar("select (now() at time zone 'utc')::date::text")
        .fetch_one(&app.app.database)
        .await
        .unwrap();
    let key = app.app.redis.key(&format!("budget:{day}"));

    services.redis.restart_empty().await.unwrap();

    let client = redis::Client::open(services.redis.url()).unwrap();
    wait_until("the copy to be restored", PATIENCE, async || {
        let mut connection = client
            .get_multiplexed_async_connection()
            .await
            .map_err(|error| error.to_string())?;
        let reserved: Option<u32> = connection
            .hget(&key, "reserved")
            .await
            .map_err(|error| error.to_string())?;
        if reserved == Some(50) {
            Ok(())
        } else {
            Err(format!("reserved: {reserved:?}"))
        }
    })
    .await
    .unwrap();
    app.stop().await;
}
