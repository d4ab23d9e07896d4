//! The scope of a circuit breaker: it blocks only what shares the failed dependency, and releases the items that it
//! deferred when it closes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use chrono::Utc;
use serde_json::{Value, json};
use whim_core::protocol::work::WorkItem;
use whim_core::{FailureCause, WorkItemStatus, WorkerId};
use whim_testkit::wait::wait_until;

use crate::app::{PATIENCE, Services, TestApp};

const BUDGET: (&str, &str) = ("DAILY_BUDGET", "100000");
/// Longer than a test takes: the only probes are requested ones.
const NO_PROBE: (&str, &str) = ("BREAKER_PROBE_DELAY_SECONDS", "36000");
const SAME_PROBE: (&str, &str) = ("BREAKER_MAX_PROBE_DELAY_SECONDS", "36000");
/// Releases deferred items almost at once.
const NO_SPREAD: (&str, &str) = ("RATE_LIMIT_JITTER_SECONDS", "0.1");

async fn fail(app: &TestApp, worker: WorkerId, cause: &str) {
    let body = json!({ "cause": cause, "reason": format!("failure of the kind {cause}") });
    let (status, answer) = app.worker_call(worker, "fail", &body).await;
    assert_eq!(status, 200, "{answer}");
    app.runtime.exit(worker, 0);
}

async fn call_a_tool(app: &TestApp, worker: WorkerId) {
    let event = json!({ "event": "tool", "type": "bash" });
    let heartbeat = json!({
        "seq": 1, "iteration": 1, "events": [{ "occurredAt": Utc::now(), "type": "ralph", "event": event }],
    });
    let (status, answer) = app.worker_call(worker, "heartbeat", &heartbeat).await;
    assert_eq!(status, 200, "{answer}");
}

async fn breakers(app: &TestApp) -> Vec<(String, Value)> {
    let (status, answer) = app.get("/api/status").await;
    assert_eq!(status, 200, "{answer}");
    let breakers = answer["breakers"].as_array().unwrap();
    breakers
        .iter()
        .map(|breaker| {
            (
                breaker["subject"].as_str().unwrap().to_owned(),
                breaker["name"].clone(),
            )
        })
        .collect()
}

async fn explain(app: &TestApp, item: &WorkItem) -> Value {
    let (status, answer) = app.get(&format!("/api/work/{}/explain", item.id)).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

async fn resume(app: &TestApp) {
    let (status, answer) = app.post("/api/queue/resume", &json!({})).await;
    assert_eq!(status, 200, "{answer}");
}

/// An item in backoff after a failed attempt.
async fn deferred(app: &TestApp, cause: &str, fields: Value) -> WorkItem {
    let item = app.submit_with(fields).await;
    let worker = app.wait_for_worker(item.id).await;
    app.register(worker).await;
    fail(app, worker, cause).await;
    let item = app.item(item.id).await;
    assert!(item.next_retry_at.is_some(), "{item:?}");
    item
}

async fn until_half_open(app: &TestApp) {
    wait_until("one probe", PATIENCE, async || {
        let (_, status) = app.get("/api/status").await;
        if status["breakers"][0]["halfOpen"] == true {
            Ok(())
        } else {
            Err(status["breakers"].to_string())
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn resuming_after_a_rejected_token_was_replaced_releases_the_deferred_items_in_order() {
    for cause in ["github_refused", "model_refused"] {
        let services = Services::new().await;
        let settings = [BUDGET, NO_PROBE, SAME_PROBE, NO_SPREAD, ("MAX_WORKERS", "2")];
        let app = TestApp::beside(&services, &settings).await;
        let (first, second) = (app.submit().await, app.submit().await);
        let workers = [
            app.wait_for_worker(first.id).await,
            app.wait_for_worker(second.id).await,
        ];
        for worker in workers {
            app.register(worker).await;
        }
        for worker in workers {
            fail(&app, worker, cause).await;
        }
        // Neither becomes due during a test.
        sqlx::query("update work_items set next_retry_at = now() + interval '25 minutes'")
            .execute(&app.app.database)
            .await
            .unwrap();

        resume(&app).await;

        let probe = app
            .wait_for(first.id, "a new worker", |item| {
                item.worker_id != Some(workers[0])
            })
            .await
            .worker_id
            .unwrap();
        until_half_open(&app).await;
        assert_eq!(app.item(second.id).await.status, WorkItemStatus::Queued);
        app.register(probe).await;
        call_a_tool(&app, probe).await;
        app.wait_for(second.id, "a new worker", |item| {
            item.worker_id != Some(workers[1])
        })
        .await;
        app.stop().await;
    }
}

#[tokio::test]
async fn closing_a_breaker_releases_the_items_that_it_deferred() {
    let app = TestApp::with(&[BUDGET, NO_PROBE, SAME_PROBE, NO_SPREAD, ("MAX_WORKERS", "2")]).await;
    let waiting = deferred(&app, "model_unavailable", json!({})).await;
    sqlx::raw_sql(
        "update work_items set next_retry_at = now() + interval '25 minutes';
         update breakers set retry_at = now();",
    )
    .execute(&app.app.database)
    .await
    .unwrap();
    let new = app.submit().await;
    let probe = app.wait_for_worker(new.id).await;
    app.register(probe).await;
    assert_eq!(app.item(waiting.id).await.worker_id, waiting.worker_id);

    call_a_tool(&app, probe).await;

    let before = waiting.worker_id;
    let released = app
        .wait_for(waiting.id, "a new worker", |item| item.worker_id != before)
        .await;
    assert_eq!(released.retries, 0);
    app.stop().await;
}

#[tokio::test]
async fn a_repository_that_cannot_be_fetched_blocks_no_other() {
    let app = TestApp::with(&[
        BUDGET,
        NO_PROBE,
        SAME_PROBE,
        ("MAX_WORKERS", "9"),
        ("BREAKER_THRESHOLD", "3"),
        ("RETRY_DELAYS_SECONDS", "600"),
    ])
    .await;
    let broken = || json!({ "repo": "octocat/Broken" });
    for _ in 0..3 {
        deferred(&app, "github_unavailable", broken()).await;
    }

    assert_eq!(
        breakers(&app).await,
        [("repository".to_owned(), json!("octocat/broken"))]
    );
    let waiting = app.submit_with(broken()).await;
    let explained = explain(&app, &waiting).await;
    assert_eq!(explained["reasonCode"], "repository_failing", "{explained:#}");
    let fine = app.submit_with(json!({ "repo": "octocat/fine" })).await;
    app.wait_for_worker(fine.id).await;
    app.stop().await;
}

#[tokio::test]
async fn a_missing_image_blocks_its_repository_only() {
    let app = TestApp::with(&[BUDGET, NO_PROBE, SAME_PROBE, ("MAX_WORKERS", "9")]).await;
    app.runtime.remove_image("octocat/special");
    let special = app.submit_with(json!({ "repo": "octocat/special" })).await;
    let special = app
        .wait_for(special.id, "the start to have failed", |item| {
            item.failure_cause == Some(FailureCause::ImageUnavailable)
        })
        .await;
    assert_eq!((special.status, special.retries), (WorkItemStatus::Queued, 0));

    let other = app.submit_with(json!({ "repo": "octocat/other" })).await;
    app.wait_for_worker(other.id).await;

    assert_eq!(
        breakers(&app).await,
        [("repository".to_owned(), json!("octocat/special"))]
    );
    let explained = explain(&app, &special).await;
    assert_eq!(explained["reasonCode"], "repository_failing", "{explained:#}");
    let message = explained["explanation"].as_str().unwrap();
    assert!(
        message.starts_with("The worker image of octocat/special is missing"),
        "{message}"
    );
    app.runtime.add_image("octocat/special");
    resume(&app).await;
    app.wait_for_worker(special.id).await;
    app.stop().await;
}

#[tokio::test]
async fn an_unreachable_package_registry_blocks_its_repository_only_until_checks_run_again() {
    let app = TestApp::with(&[BUDGET, NO_PROBE, SAME_PROBE, NO_SPREAD, ("MAX_WORKERS", "9")]).await;
    let shop = || json!({ "repo": "octocat/shop" });
    let waiting = deferred(&app, "registry_unavailable", shop()).await;
    assert_eq!((waiting.status, waiting.retries), (WorkItemStatus::Queued, 0));

    let other = app.submit_with(json!({ "repo": "octocat/other" })).await;
    app.wait_for_worker(other.id).await;
    assert_eq!(
        breakers(&app).await,
        [("repository".to_owned(), json!("octocat/shop"))]
    );
    let explained = explain(&app, &waiting).await;
    let message = explained["explanation"].as_str().unwrap();
    for part in [
        "The checks of octocat/shop cannot download packages",
        "EGRESS_ALLOW",
        "HTTPS_PROXY",
    ] {
        assert!(message.contains(part), "{message}");
    }

    resume(&app).await;
    let before = waiting.worker_id;
    let probe = app
        .wait_for(waiting.id, "a new worker", |item| item.worker_id != before)
        .await
        .worker_id
        .unwrap();
    app.register(probe).await;
    let next = app.submit_with(shop()).await;
    until_half_open(&app).await;
    assert_eq!(app.item(next.id).await.status, WorkItemStatus::Queued);
    fail(&app, probe, "tests_failed").await;
    app.wait_for_worker(next.id).await;
    app.stop().await;
}

#[tokio::test]
async fn an_item_that_cannot_be_started_is_not_every_probe() {
    let app = TestApp::with(&[BUDGET, ("MAX_WORKERS", "1")]).await;
    app.runtime.break_starts_in("octocat/special");
    // It would be claimed first each time.
    let special = json!({ "repo": "octocat/special", "priority": "critical" });
    let special = app.submit_with(special).await;
    app.wait_for(special.id, "the start to have failed", |item| {
        item.failure_cause == Some(FailureCause::RuntimeUnavailable)
    })
    .await;

    let other = app.submit_with(json!({ "priority": "low" })).await;

    app.wait_for_worker(other.id).await;
    app.stop().await;
}

#[tokio::test]
async fn credentials_of_the_model_have_a_breaker_each() {
    let app = TestApp::with(&[
        BUDGET,
        NO_PROBE,
        SAME_PROBE,
        ("MAX_WORKERS", "9"),
        ("CLAUDE_CODE_OAUTH_TOKEN", "an-oauth-token"),
    ])
    .await;
    let generating = async || {
        let (status, item) = app
            .post(
                "/api/work",
                &json!({ "repo": "octocat/hello", "description": "Say hello." }),
            )
            .await;
        assert_eq!(status, 201, "{item}");
        serde_json::from_value::<WorkItem>(item).unwrap()
    };
    app.app.intake_activity.set(Utc::now()).await.unwrap();
    let (limited, other_spec) = (generating().await, generating().await);

    // Specs use the API key: agents continue.
    let failed = json!({ "run": 1, "reason": "429", "retryable": true, "cause": "model_limited", "retryAfterSeconds": 3600 });
    let path = format!("/api/work/{}/spec/fail", limited.id);
    let (status, answer) = app.post(&path, &failed).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        explain(&app, &other_spec).await["reasonCode"],
        "model_unavailable"
    );
    let queued = app.submit().await;
    let worker = app.wait_for_worker(queued.id).await;
    app.register(worker).await;

    // Agents use the token: the error names it, and specs are not affected.
    fail(&app, worker, "model_refused").await;
    assert_eq!(
        breakers(&app).await,
        [
            ("model".to_owned(), json!("ANTHROPIC_API_KEY")),
            ("model".to_owned(), json!("CLAUDE_CODE_OAUTH_TOKEN")),
        ]
    );
    let waiting = app.submit().await;
    let explained = explain(&app, &waiting).await;
    assert_eq!(explained["reasonCode"], "model_unavailable");
    let message = explained["explanation"].as_str().unwrap();
    assert!(
        message.contains("set CLAUDE_CODE_OAUTH_TOKEN") && !message.contains("ANTHROPIC_API_KEY"),
        "{message}"
    );
    app.stop().await;
}
