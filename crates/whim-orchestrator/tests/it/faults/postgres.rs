//! Postgres restarts, loses backends, runs out of connections, or holds an old snapshot.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, PgPool};
use whim_core::WorkItemStatus;
use whim_testkit::wait::wait_until;

use super::fleet::{Fleet, SETTINGS, watch};
use crate::app::{PATIENCE, Services, TestApp};

const ITEMS: usize = 40;
const BETWEEN_KILLS: Duration = Duration::from_millis(200);

/// A pool of the test, independent of the one that the fault affects.
async fn connect(services: &Services) -> PgPool {
    let options = sqlx::postgres::PgPoolOptions::new().max_connections(2);
    options.connect(services.database.url()).await.unwrap()
}

// docs/faults.md, row 26.
#[tokio::test]
async fn after_a_crash_of_postgres_under_load_calls_are_answered_again_and_no_item_is_lost() {
    let services = Services::with_own_postgres().await;
    let app = TestApp::beside(&services, &SETTINGS).await;
    let invariants = watch(&services).await;
    let mut fleet = Fleet::start([&app]);
    fleet.submit(ITEMS);
    fleet.wait_for_answers(ITEMS).await;

    services.database.server().restart().await.unwrap();
    fleet.wait_for_answers(1).await;
    fleet.reset_counters();
    fleet.submit(ITEMS);

    fleet.wait_until_done(&connect(&services).await, 2 * ITEMS).await;
    let (share, calls) = fleet.answered();
    assert!(share >= 0.98, "{share} of {calls} calls were answered");
    fleet.expect_no_defect();
    invariants.check().await.unwrap();
    app.stop().await;
}

// docs/faults.md, row 27: five backends a second for twelve seconds. The test below runs for a minute; in CI,
// `cargo xtask chaos` also kills backends for two minutes.
#[tokio::test]
async fn randomly_killed_backends_lose_and_duplicate_no_item() {
    kill_backends_under_load(Duration::from_secs(12)).await;
}

// docs/faults.md, row 27.
#[tokio::test]
#[ignore = "takes more than a minute: cargo nextest run --package whim-orchestrator --run-ignored only for_a_minute"]
async fn randomly_killed_backends_lose_and_duplicate_no_item_for_a_minute() {
    kill_backends_under_load(Duration::from_mins(1)).await;
}

async fn kill_backends_under_load(length: Duration) {
    let services = Services::new().await;
    let app = TestApp::beside(&services, &SETTINGS).await;
    let invariants = watch(&services).await;
    let mut fleet = Fleet::start([&app]);
    let database = connect(&services).await;

    let (begin, mut killed, mut submitted) = (Instant::now(), 0, 0);
    let mut kills = tokio::time::interval(BETWEEN_KILLS);
    while begin.elapsed() < length {
        // Keeps the workers busy on fast machines too.
        if fleet.accepted() >= submitted {
            fleet.submit(ITEMS);
            submitted += ITEMS;
        }
        kills.tick().await;
        let found: Option<bool> = sqlx::query_scalar(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and application_name like 'whim-orchestrator%'
             order by random() limit 1",
        )
        .fetch_optional(&database)
        .await
        .unwrap();
        killed += u32::from(found == Some(true));
    }
    // A busy machine may be late with some.
    assert!(
        killed * 2 * BETWEEN_KILLS > length,
        "{killed} were killed in {length:?}"
    );

    fleet.wait_until_done(&database, submitted).await;
    fleet.expect_no_defect();
    invariants.check().await.unwrap();
    app.stop().await;
}

// docs/faults.md, row 26.
#[tokio::test]
async fn acknowledged_reports_survive_a_crash_of_postgres_right_after_the_response() {
    let services = Services::with_own_postgres().await;
    let app = TestApp::beside(&services, &SETTINGS).await;
    let item = app.submit().await;
    let worker = app.wait_for_worker(item.id).await;
    app.register(worker).await;
    let event = json!({ "occurredAt": "2026-11-21T12:00:00Z", "type": "notice", "message": "hello" });
    for heartbeat in [
        json!({ "seq": 1, "iteration": 0, "events": [event] }),
        json!({ "seq": 2, "iteration": 2 }),
    ] {
        wait_until("an answer", PATIENCE, async || {
            match app.worker_call(worker, "heartbeat", &heartbeat).await {
                (status, _) if status == 200 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
        .unwrap();
        services.database.server().restart().await.unwrap();
    }

    let kept: (i64, i64) = sqlx::query_as(
        "select (select count(*) from events where body ->> 'message' = 'hello'),
                (select count(*) from worker_iterations)",
    )
    .fetch_one(&connect(&services).await)
    .await
    .unwrap();
    assert_eq!(kept, (1, 2));
    app.stop().await;
}

// docs/faults.md, row 28.
#[tokio::test]
async fn slow_reads_and_idle_connections_get_503_and_delay_no_worker() {
    let services = Services::with_own_postgres().await;
    let app = TestApp::beside(&services, &[("MAX_WORKERS", "1")]).await;
    let (_first, worker) = app.running().await;
    let second = app.submit().await;
    let mut idle = Vec::new();
    while let Ok(connection) = PgConnection::connect(services.database.url()).await {
        idle.push(connection);
    }
    assert!(idle.len() > 200, "only {} idle connections", idle.len());
    // Slow reads on every connection of their pool.
    let mut slow = Vec::new();
    while let Ok(Ok(mut view)) =
        tokio::time::timeout(Duration::from_secs(1), app.app.database.acquire()).await
    {
        slow.push(tokio::task::JoinSet::from_iter([async move {
            drop(sqlx::query("select pg_sleep(600)").execute(&mut *view).await);
        }]));
    }

    // Reads get 503 …
    let (status, answer) = app.get("/api/work").await;
    assert_eq!(
        (status.as_u16(), &answer["code"]),
        (503, &json!("unavailable")),
        "{answer}"
    );
    // … and calls of workers and claims continue.
    let heartbeat = json!({ "seq": 1, "iteration": 1 });
    let (status, answer) = app.worker_call(worker, "heartbeat", &heartbeat).await;
    assert_eq!(status, 200, "{answer}");
    let (status, answer) = app
        .worker_call(
            worker,
            "fail",
            &json!({ "cause": "push_refused", "reason": "no" }),
        )
        .await;
    assert_eq!(status, 200, "{answer}");
    app.wait_for_worker(second.id).await;

    drop((slow, idle));
    wait_until("reads to be answered again", PATIENCE, async || {
        match app.get("/api/work").await {
            (status, _) if status == 200 => Ok(()),
            (status, answer) => Err(format!("{status}: {answer}")),
        }
    })
    .await
    .unwrap();
    app.stop().await;
}

// docs/faults.md, row 29.
#[tokio::test]
async fn while_an_old_snapshot_is_held_claims_continue_and_the_status_warns() {
    let services = Services::new().await;
    let settings = [
        SETTINGS.as_slice(),
        &[("LONG_TRANSACTION_WARNING_SECONDS", "0.2")],
    ]
    .concat();
    let app = TestApp::beside(&services, &settings).await;
    let invariants = watch(&services).await;
    let database = connect(&services).await;
    let mut holder = PgConnection::connect(services.database.url()).await.unwrap();
    sqlx::raw_sql(
        "set application_name = 'a-backup'; begin isolation level repeatable read; select from work_items",
    )
    .execute(&mut holder)
    .await
    .unwrap();

    let mut fleet = Fleet::start([&app]);
    fleet.submit(ITEMS);
    fleet.wait_until_done(&database, ITEMS).await;
    let warning = wait_until("a warning", PATIENCE, async || {
        let (_, status) = app.get("/api/status").await;
        about_the_backup(&status).ok_or(status.to_string())
    })
    .await
    .unwrap();

    assert!(warning.contains("pg_terminate_backend("), "{warning}");
    sqlx::raw_sql("rollback").execute(&mut holder).await.unwrap();
    let (_, status) = app.get("/api/status").await;
    assert_eq!(about_the_backup(&status), None);
    assert_eq!(status["items"][WorkItemStatus::Completed.as_str()], ITEMS);
    invariants.check().await.unwrap();
    app.stop().await;
}

fn about_the_backup(status: &Value) -> Option<String> {
    let warnings = status["warnings"].as_array().unwrap();
    let mut texts = warnings.iter().map(|warning| warning.as_str().unwrap());
    texts
        .find(|warning| warning.contains("a-backup"))
        .map(str::to_owned)
}
