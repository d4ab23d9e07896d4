//! Properties of the schema on which the code relies.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;
use whim_core::protocol::status::BreakerSubject;
use whim_core::{FailureCause, Priority, Stage, WorkItemStatus, WorkerStatus};
use whim_orchestrator::db::{WORK_CHANNEL, WORKERS_CHANNEL};
use whim_orchestrator::dispatch;

use crate::world::{World, fail};

async fn labels(world: &World, enumeration: &str) -> Vec<String> {
    sqlx::query_scalar(
        "select enumlabel::text from pg_enum e join pg_type t on t.oid = e.enumtypid
         where t.typname = $1 order by enumsortorder",
    )
    .bind(enumeration)
    .fetch_all(&world.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn the_database_knows_the_same_states_in_the_same_order_as_the_code() {
    let world = World::new().await;
    let stages = [
        Stage::Preparing,
        Stage::Working,
        Stage::Testing,
        Stage::Reviewing,
        Stage::Delivering,
    ];
    assert_eq!(
        labels(&world, "work_item_status").await,
        WorkItemStatus::ALL.map(WorkItemStatus::as_str)
    );
    assert_eq!(
        labels(&world, "worker_status").await,
        WorkerStatus::ALL.map(WorkerStatus::as_str)
    );
    assert_eq!(
        labels(&world, "failure_cause").await,
        FailureCause::ALL.map(FailureCause::as_str)
    );
    assert_eq!(
        labels(&world, "breaker_subject").await,
        BreakerSubject::ALL.map(BreakerSubject::as_str)
    );
    assert_eq!(
        labels(&world, "priority").await,
        Priority::ALL.map(Priority::as_str)
    );
    assert_eq!(labels(&world, "worker_stage").await, stages.map(Stage::as_str));
}

#[tokio::test]
async fn the_claim_reads_the_beginning_of_its_index_however_long_the_queue_is() {
    let world = World::new().await;
    sqlx::raw_sql(
        "insert into work_items (id, repo, branch, status, priority, source, queued_at, next_retry_at)
             select gen_random_uuid(), 'octocat/hello', 'whim/' || n, 'queued',
                    (array['critical', 'high', 'medium', 'low'])[1 + n % 4]::priority, 'api',
                    now() - make_interval(secs => n), case when n % 3 = 0 then now() end
             from generate_series(1, 20000) as n;
         analyze work_items;",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let mut claim = include_str!("../../../src/db/work_items/claim.sql").to_owned();
    for (parameter, value) in [
        ("$1", "'0190d1f0-0000-7000-8000-000000000001'::uuid"),
        ("$2", "null"),
        ("$3", "sha256('a token')"),
        ("$4", "50"),
        ("$5", "'none'"),
        ("$6", "'test'"),
        ("$7", "60.0"),
        ("$8", "sha256('another')"),
        ("$9", "sha256('a third')"),
    ] {
        claim = claim.replace(parameter, value);
    }

    let explain = sqlx::AssertSqlSafe(format!(
        "explain (analyze, costs off, timing off, summary off) {claim}"
    ));
    let plan: Vec<String> = sqlx::query_scalar(explain).fetch_all(&world.pool).await.unwrap();

    let plan = plan.join("\n");
    assert!(
        plan.contains("Index Scan using work_items_claim on work_items"),
        "{plan}"
    );
    assert!(!plan.contains("Sort") && !plan.contains("Seq Scan"), "{plan}");
    let read = plan
        .lines()
        .find(|line| line.contains("using work_items_claim"))
        .unwrap();
    assert!(read.contains("rows=1") || read.contains("rows=1.00"), "{plan}");
}

#[tokio::test]
async fn a_claim_that_excludes_repositories_and_users_reads_few_rows_however_many_items_they_have() {
    let world = World::new().await;
    sqlx::raw_sql(
        "insert into work_items (id, repo, branch, status, priority, source, queued_at)
             select gen_random_uuid(), case when n % 2 = 0 then 'octocat/Full' else 'octocat/crashes' end,
                    'whim/' || n, 'queued', 'critical', 'api', now() - interval '1 day' + make_interval(secs => n)
             from generate_series(1, 20000) as n;
         insert into work_items (id, repo, branch, status, priority, source, requested_by, queued_at)
             select gen_random_uuid(), 'octocat/free-1', 'whim/of-one-' || n, 'queued', 'critical', 'api', 'Mona',
                    now() - interval '2 days'
             from generate_series(1, 20000) as n;
         insert into work_items (id, repo, branch, status, priority, source, requested_by)
             select gen_random_uuid(), 'octocat/free-' || n % 10, 'whim/' || n, 'queued', 'low', 'api',
                    case when n % 20 < 10 then 'hubot' end
             from generate_series(1, 100) as n;
         analyze work_items;",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let query = include_str!("../../../src/db/work_items/next_excluding.sql")
        .replace("$1", "array['octocat/full', 'octocat/crashes']")
        .replace("$2", "array['mona']")
        .replace("$3", "array[gen_random_uuid()]");

    let explain = sqlx::AssertSqlSafe(format!("explain (analyze, format json) {query}"));
    let plan: serde_json::Value = sqlx::query_scalar(explain).fetch_one(&world.pool).await.unwrap();

    let mut scans = Vec::new();
    collect_scans(&plan[0]["Plan"], &mut scans);
    // 23 pairs of repository and user, the missing user included, and the end of the index: each is found once, and the
    // first item of each but three is read.
    let rows: f64 = scans.iter().map(|(_, rows)| rows).sum();
    assert!(rows <= 60.0, "{rows} rows: {plan:#}");
    assert!(
        scans
            .iter()
            .all(|(index, _)| index == "work_items_claim_by_repo_and_user"),
        "{scans:?}"
    );
}

/// Every scan of items in a plan: its index, and the number of rows that it returned or filtered out in all loops.
fn collect_scans(node: &serde_json::Value, scans: &mut Vec<(String, f64)>) {
    let number = |name: &str| node[name].as_f64().unwrap_or_default();
    if node["Relation Name"] == "work_items" {
        let rows = number("Actual Rows") + number("Rows Removed by Filter");
        let index = node["Index Name"].as_str().unwrap_or("none").to_owned();
        scans.push((index, rows * number("Actual Loops")));
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        collect_scans(child, scans);
    }
}

#[tokio::test]
async fn listeners_are_notified_of_claimable_items_and_ended_workers() {
    let world = World::new().await;
    let mut listener = PgListener::connect_with(&world.pool).await.unwrap();
    listener
        .listen_all([WORK_CHANNEL, WORKERS_CHANNEL])
        .await
        .unwrap();
    let mut notified = async || {
        let notification = listener.recv().await.unwrap();
        notification.channel().to_owned()
    };

    let stop = CancellationToken::new();
    let announcing = dispatch::announce(world.app.clone(), stop.clone());
    let submitting = async {
        world.submit().await;
        assert_eq!(notified().await, WORK_CHANNEL);
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(announcing, submitting);
    ended.unwrap();
    let worker = world.start_worker().await;
    world.call(&worker, "fail", &fail("crash")).await.expect(200);
    // Neither the claim nor the registration sent a notification, and the item is in backoff.
    assert_eq!(notified().await, WORKERS_CHANNEL);
    world.release_due_retries().await;
    assert_eq!(notified().await, WORK_CHANNEL);
}
