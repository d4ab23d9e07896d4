//! The day's budget over midnight (docs/faults.md, row 34).
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use futures::future::join_all;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};
use whim_core::WorkerId;
use whim_orchestrator::status::status;
use whim_testkit::wait::wait_until;

use crate::app::{PATIENCE, Services, TestApp};

const TASKS: u32 = 64;

/// A settable clock for the database. `now()` resolves to it in everything that is created or queried afterwards,
/// including the migrations, because its schema comes first in the search path.
async fn set_up_clock(services: &Services) -> PgPool {
    let pool = PgPool::connect(services.database.url()).await.unwrap();
    let database: String = sqlx::query_scalar("select current_database()::text")
        .fetch_one(&pool)
        .await
        .unwrap();
    let statements = format!(
        r#"create schema test_clock;
           create table test_clock.clock (ahead interval not null);
           insert into test_clock.clock
           select date_trunc('day', pg_catalog.now() at time zone 'utc') + interval '1 day' - interval '1 minute'
                  - (pg_catalog.now() at time zone 'utc');
           create function test_clock.now() returns timestamptz language sql stable as
               'select pg_catalog.now() + ahead from test_clock.clock';
           alter database "{database}" set search_path = test_clock, pg_catalog, public;"#
    );
    sqlx::raw_sql(AssertSqlSafe(statements))
        .execute(&pool)
        .await
        .unwrap();
    pool
}

/// Reports an iteration twice, as after a lost response.
async fn report(app: &TestApp, worker: WorkerId, iteration: u32) {
    for seq in [iteration * 2, iteration * 2 + 1] {
        let heartbeat = json!({ "seq": seq, "iteration": iteration });
        let (status, answer) = app.worker_call(worker, "heartbeat", &heartbeat).await;
        assert_eq!(status, 200, "{answer}");
    }
}

async fn report_all(app: &TestApp, workers: &[WorkerId], iterations: std::ops::RangeInclusive<u32>) {
    join_all(workers.iter().map(async |worker| {
        for iteration in iterations.clone() {
            report(app, *worker, iteration).await;
        }
    }))
    .await;
}

async fn used_by_day(pool: &PgPool) -> Vec<i64> {
    sqlx::query_scalar("select count(*) from test_clock.worker_iterations group by day order by day")
        .fetch_all(pool)
        .await
        .unwrap()
}

// docs/faults.md, row 34.
#[tokio::test]
async fn iterations_are_counted_once_each_over_midnight_and_the_loss_of_redis() {
    let services = Services::with_own_redis().await;
    let clock = set_up_clock(&services).await;
    let settings = [
        ("MAX_WORKERS", "64"),
        ("MAX_ITERATIONS", "10"),
        ("DAILY_BUDGET", "640"),
    ];
    let app = TestApp::beside(&services, &settings).await;
    for _ in 0..TASKS {
        app.submit().await;
    }
    let workers: Vec<WorkerId> = wait_until("all workers to be started", PATIENCE, async || {
        let started = app.runtime.started();
        if started.len() == TASKS as usize {
            Ok(started.iter().map(|spec| spec.worker_id).collect())
        } else {
            Err(started.len())
        }
    })
    .await
    .unwrap();
    join_all(workers.iter().map(|worker| app.register(*worker))).await;
    let before = status(&app.app).await.unwrap().budget;
    assert_eq!((before.used, before.reserved, before.remaining), (0, 640, 0));

    report_all(&app, &workers, 1..=3).await;
    assert_eq!(used_by_day(&clock).await, [192]);

    // Midnight passes while they report.
    let midnight =
        sqlx::query("update test_clock.clock set ahead = ahead + interval '2 minutes'").execute(&clock);
    let (_, midnight) = tokio::join!(report_all(&app, &workers, 4..=6), midnight);
    midnight.unwrap();
    services.redis.restart_empty().await.unwrap();
    report_all(&app, &workers, 7..=8).await;

    let days = used_by_day(&clock).await;
    assert_eq!((days.len(), days.iter().sum::<i64>()), (2, 512), "{days:?}");
    assert!(days[0] >= 192 && days[1] >= 128, "{days:?}");
    let after = status(&app.app).await.unwrap().budget;
    assert_eq!(i64::from(after.used), days[1], "{after:?}");
    assert_eq!(after.reserved, 128, "reserved for the live workers: {after:?}");
    assert!(after.resets_at > before.resets_at);

    // The final report repeats everything, and releases the reservation.
    let end = json!({ "cause": "iterations_used_up", "reason": "used up", "iterations": 9 });
    join_all(workers.iter().map(async |worker| {
        let (status, answer) = app.worker_call(*worker, "fail", &end).await;
        assert_eq!(status, 200, "{answer}");
    }))
    .await;
    let days = used_by_day(&clock).await;
    assert_eq!(days.iter().sum::<i64>(), 576, "{days:?}");
    let after = status(&app.app).await.unwrap().budget;
    assert_eq!((i64::from(after.used), after.reserved), (days[1], 0), "{after:?}");
    clock.close().await;
    app.stop().await;
}
