//! Starts of workers: their time, environment and failures.

use chrono::TimeDelta;
use serde_json::json;
use sqlx::AssertSqlSafe;
use whim_core::{FailureCause, WorkItemId, WorkItemStatus, WorkerStatus};
use whim_orchestrator::db::workers;
use whim_orchestrator::work;
use whim_testkit::wait::wait_until;

use crate::app::{PATIENCE, Services, TestApp};

/// Longer than a test waits: nothing is found by polling.
const NO_POLLING: (&str, &str) = ("DISPATCH_INTERVAL_SECONDS", "600");

#[tokio::test]
async fn a_submitted_item_is_started_without_polling() {
    let app = TestApp::with(&[NO_POLLING]).await;

    let item = app.submit().await;
    let worker = app.wait_for_worker(item.id).await;

    let item = app.item(item.id).await;
    assert_eq!(
        (item.status, item.worker_id),
        (WorkItemStatus::Assigned, Some(worker))
    );
    app.stop().await;
}

#[tokio::test]
async fn an_item_submitted_to_one_orchestrator_is_started_by_another_without_polling() {
    let services = Services::new().await;
    let full = TestApp::beside(&services, &[NO_POLLING, ("MAX_WORKERS", "0")]).await;
    let free = TestApp::beside(&services, &[NO_POLLING, ("MAX_WORKERS", "3")]).await;

    for _ in 0..3 {
        let item = full.submit().await;
        free.wait_for_worker(item.id).await;
    }

    full.stop().await;
    free.stop().await;
}

#[tokio::test]
async fn a_freed_slot_is_used_without_polling() {
    let app = TestApp::with(&[NO_POLLING, ("MAX_WORKERS", "1")]).await;
    let first = app.submit().await;
    app.wait_for_worker(first.id).await;
    let second = app.submit().await;

    let (status, answer) = app
        .post(&format!("/api/work/{}/cancel", first.id), &json!({}))
        .await;
    assert_eq!(status, 200, "{answer}");

    app.wait_for_worker(second.id).await;
    app.stop().await;
}

#[tokio::test]
async fn the_next_worker_is_started_when_the_cooldown_is_over_and_not_before() {
    let app = TestApp::with(&[NO_POLLING, ("COOLDOWN_SECONDS", "2")]).await;
    let first = app.submit().await;
    let second = app.submit().await;

    app.wait_for_worker(first.id).await;
    app.wait_for_worker(second.id).await;

    let started_at = async |id| app.item(id).await.started_at.unwrap();
    let delay = started_at(second.id).await - started_at(first.id).await;
    // The cooldown begins a moment before the claim that it belongs to.
    assert!(delay >= TimeDelta::seconds(1), "{delay}");
    app.stop().await;
}

#[tokio::test]
async fn an_item_that_was_queued_while_no_orchestrator_ran_is_found_at_the_start() {
    let services = Services::new().await;
    let settings = [NO_POLLING, ("MAX_WORKERS", "0")];
    let before = TestApp::beside(&services, &settings).await;
    let item = before.submit().await;
    before.stop().await;

    let app = TestApp::beside(&services, &[NO_POLLING]).await;

    app.wait_for_worker(item.id).await;
    app.stop().await;
}

#[tokio::test]
async fn a_worker_gets_its_settings_in_the_environment_and_its_secrets_in_files() {
    let app = TestApp::with(&[
        ("GITHUB_API_URL", "http://127.0.0.1:1/api/v3/"),
        ("CLAUDE_MODEL", "a-model"),
        ("STUCK_THRESHOLD", "5"),
    ])
    .await;
    let item = app.submit().await;
    let worker = app.wait_for_worker(item.id).await;
    let spec = app.runtime.spec(worker);

    assert_eq!(spec.name(), format!("whim-{}-1", item.id));
    let variable = |name: &str| spec.environment.get(name).map(String::as_str);
    assert_eq!(variable("WORKER_ID"), Some(worker.to_string().as_str()));
    let worker_api = app.addresses.worker_api.as_str().trim_end_matches('/');
    assert_eq!(variable("ORCHESTRATOR_URL"), Some(worker_api));
    assert_eq!(variable("GITHUB_API_URL"), Some("http://127.0.0.1:1/api/v3"));
    assert_eq!(variable("GITHUB_GIT_URL"), Some("https://github.com"));
    assert_eq!(variable("CLAUDE_MODEL"), Some("a-model"));
    assert_eq!(variable("STUCK_THRESHOLD"), Some("5"));
    assert_eq!(app.runtime.credential(worker, "github-token"), "a-github-token");
    assert_eq!(
        app.runtime.credential(worker, "anthropic-api-key"),
        "an-anthropic-key"
    );
    let secrets = [
        app.runtime.token(worker),
        "a-github-token".to_owned(),
        "an-anthropic-key".to_owned(),
    ];
    for value in spec.environment.values() {
        assert!(
            !secrets.iter().any(|secret| value.contains(secret.as_str())),
            "a secret in the environment"
        );
    }
    assert!(!format!("{spec:?}").contains("a-github-token"));
    app.stop().await;
}

#[tokio::test]
async fn a_failed_start_spends_no_retry_and_is_repeated_when_the_runtime_is_available() {
    let app = TestApp::start().await;
    app.runtime.set_unavailable(true);

    let item = app.submit().await;
    let waiting = app
        .wait_for(item.id, "the start to have failed", |item| {
            item.failure_cause == Some(FailureCause::RuntimeUnavailable)
        })
        .await;
    assert_eq!((waiting.status, waiting.retries), (WorkItemStatus::Queued, 0));
    assert!(waiting.error.unwrap().contains("the engine is unavailable"));
    let worker = workers::find(&app.app.database, waiting.worker_id.unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (worker.status, worker.failure_cause),
        (WorkerStatus::Failed, Some(FailureCause::RuntimeUnavailable))
    );
    let (_, status) = app.get("/api/status").await;
    assert!(
        status["warnings"]
            .to_string()
            .contains("the engine is unavailable"),
        "{status:#}"
    );
    let (code, health) = app.get("/health").await;
    assert_eq!(
        (code.as_u16(), &health["runtime"]["healthy"]),
        (503, &json!(false)),
        "{health:#}"
    );

    app.runtime.set_unavailable(false);
    let worker = app.wait_for_worker(item.id).await;
    let item = app.item(item.id).await;
    assert_eq!((item.worker_id, item.retries), (Some(worker), 0));
    app.stop().await;
}

#[tokio::test]
async fn without_redis_nothing_new_starts_running_work_continues_and_health_reports_it() {
    let services = Services::with_own_redis().await;
    let app = TestApp::beside(&services, &[]).await;
    let (running, worker) = app.running().await;

    services.redis.stop().await.unwrap();
    let waiting = app.submit().await;
    wait_until("the status to show the reason", PATIENCE, async || {
        let (_, status) = app.get("/api/status").await;
        let blocked = status["blockedReasons"].to_string().contains("redis_unavailable");
        if blocked { Ok(()) } else { Err(status.to_string()) }
    })
    .await
    .unwrap();
    let (code, health) = app.get("/health").await;
    assert_eq!(
        (code.as_u16(), &health["redis"]["healthy"]),
        (503, &json!(false)),
        "{health:#}"
    );
    let (code, answer) = app.worker_call(worker, "heartbeat", &json!({ "seq": 1 })).await;
    assert_eq!(code, 200, "{answer}");
    assert_eq!(app.item(running.id).await.status, WorkItemStatus::InProgress);
    assert_eq!(app.item(waiting.id).await.status, WorkItemStatus::Queued);
    assert_eq!(app.runtime.started().len(), 1);

    services.redis.restart_empty().await.unwrap();
    app.wait_for_worker(waiting.id).await;
    let (code, _) = app.get("/health").await;
    assert_eq!(code, 200);
    app.stop().await;
}

#[tokio::test]
async fn a_claim_whose_orchestrator_died_before_the_start_costs_no_retry() {
    let services = Services::new().await;
    let dying = TestApp::beside(&services, &[]).await;
    dying.runtime.hold_starts();
    let item = dying.submit().await;
    dying.wait_for_status(item.id, WorkItemStatus::Assigned).await;
    let runtime = dying.runtime.clone();
    dying.kill().await;

    // The same instance, restarted: its runtime does not list the worker in the rows.
    let app = TestApp::on(&services, runtime, &[]).await;
    app.runtime.let_starts_through();
    let worker = app.wait_for_worker(item.id).await;

    app.register(worker).await;
    let item = app.item(item.id).await;
    assert_eq!((item.status, item.retries), (WorkItemStatus::InProgress, 0));
    assert_eq!(app.runtime.started().len(), 1, "one worker ever ran");
    app.stop().await;
}

#[tokio::test]
async fn an_item_that_is_cancelled_while_its_worker_is_being_started_leaves_nothing_running() {
    let app = TestApp::start().await;
    app.runtime.hold_starts();
    let item = app.submit().await;
    app.wait_for_status(item.id, WorkItemStatus::Assigned).await;

    let (code, answer) = app
        .post(&format!("/api/work/{}/cancel", item.id), &json!({}))
        .await;
    assert_eq!(code, 200, "{answer}");
    app.runtime.let_starts_through();

    wait_until("the worker to be stopped", PATIENCE, async || {
        let stopped = app.runtime.stopped();
        if stopped.len() == 1 && app.runtime.running().is_empty() {
            Ok(())
        } else {
            Err(format!("{stopped:?}"))
        }
    })
    .await
    .unwrap();
    app.stop().await;
}

#[tokio::test]
async fn a_stopping_orchestrator_starts_nothing_new_and_leaves_its_workers_alone() {
    let services = Services::new().await;
    let app = TestApp::beside(&services, &[("MAX_WORKERS", "5")]).await;
    let (_, running) = app.running().await;
    app.runtime.hold_starts();
    let starting = app.submit().await;
    app.wait_for_status(starting.id, WorkItemStatus::Assigned).await;
    // Slots are free: the dispatcher would claim this one next.
    let queued = app.submit().await;
    let (shared, runtime) = (app.app.clone(), app.runtime.clone());

    tokio::join!(app.stop(), async {
        shared.closing.cancelled().await;
        runtime.let_starts_through();
    });

    let started: Vec<WorkItemId> = runtime.started().iter().map(|spec| spec.work_item_id).collect();
    assert_eq!(started[1..], [starting.id]);
    let queued = work::find(&shared, &shared.database, queued.id).await.unwrap();
    assert_eq!(
        (queued.status, queued.lease_epoch.number()),
        (WorkItemStatus::Queued, 0)
    );
    assert!(runtime.running().contains(&running));
    assert_eq!(runtime.stopped(), []);
}

#[tokio::test]
async fn an_item_queued_while_the_listener_is_disconnected_is_found_when_it_reconnects() {
    let services = Services::new().await;
    let app = TestApp::beside(&services, &[NO_POLLING]).await;
    let first = app.submit().await;
    app.wait_for_worker(first.id).await;
    let server = sqlx::PgPool::connect(services.database.server().url())
        .await
        .unwrap();
    let database: String = sqlx::query_scalar("select current_database()::text")
        .fetch_one(&app.app.database)
        .await
        .unwrap();
    let allow_connections = async |allowed: bool| {
        let statement = format!(r#"alter database "{database}" with allow_connections {allowed}"#);
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&server)
            .await
            .unwrap();
    };

    allow_connections(false).await;
    let cut: i64 = sqlx::query_scalar(
        "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
         where datname = $1 and query like 'LISTEN %'",
    )
    .bind(&database)
    .fetch_one(&server)
    .await
    .unwrap();
    assert_eq!(cut, 1);
    // Not through this orchestrator, which would be woken at once.
    let second: WorkItemId = sqlx::query_scalar(
        "with item as (
             insert into work_items (id, repo, branch, status, priority, source)
             values (gen_random_uuid(), 'octocat/hello', 'whim/second', 'queued', 'medium', 'api') returning id
         )
         insert into work_item_texts (work_item_id, spec) select id, E'# Task\\n\\n- [ ] Make it\\n' from item
         returning work_item_id",
    )
    .fetch_one(&app.app.database)
    .await
    .unwrap();
    allow_connections(true).await;

    app.wait_for_worker(second).await;
    app.stop().await;
}
