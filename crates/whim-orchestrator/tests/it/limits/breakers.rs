//! Circuit breakers: rate limits of the model API, outages, rejected credentials and crash loops.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use whim_core::protocol::work::WorkItem;
use whim_core::{WorkItemId, WorkItemStatus, WorkerId};
use whim_testkit::wait::wait_until;

use crate::app::{PATIENCE, Services, TestApp};
use crate::world::complete;

const HOUR: i64 = 3600;
/// More than the workers of a test can reserve.
const BUDGET: (&str, &str) = ("DAILY_BUDGET", "100000");
/// Longer than a test takes: no probe becomes due.
const NO_PROBE: (&str, &str) = ("BREAKER_PROBE_DELAY_SECONDS", "1800");

async fn report(app: &TestApp, worker: WorkerId, route: &str, body: &Value) -> Value {
    let (status, answer) = app.worker_call(worker, route, body).await;
    assert_eq!(status, 200, "{answer}");
    // A worker exits after the response to its report.
    app.runtime.exit(worker, 0);
    answer
}

async fn fail(app: &TestApp, worker: WorkerId, cause: &str) -> Value {
    let body = json!({ "cause": cause, "reason": format!("failure of the kind {cause}") });
    report(app, worker, "fail", &body).await
}

async fn limited(app: &TestApp, worker: WorkerId, seconds: i64) -> Value {
    let body = json!({
        "cause": "model_limited", "reason": "You've hit your limit", "retryAfterSeconds": seconds,
    });
    report(app, worker, "fail", &body).await
}

async fn call_a_tool(app: &TestApp, worker: WorkerId) {
    let event = json!({ "event": "tool", "type": "bash" });
    let heartbeat = json!({
        "seq": 1, "iteration": 1, "events": [{ "occurredAt": Utc::now(), "type": "ralph", "event": event }],
    });
    let (status, answer) = app.worker_call(worker, "heartbeat", &heartbeat).await;
    assert_eq!(status, 200, "{answer}");
}

async fn submit(app: &TestApp, count: usize) -> Vec<WorkItem> {
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(app.submit().await);
    }
    items
}

/// Waits until `total` workers were started, and returns those that are not in `before`.
async fn started(app: &TestApp, total: usize, before: &[WorkerId]) -> Vec<WorkerId> {
    let started = || -> Vec<WorkerId> {
        let specs = app.runtime.started();
        specs.iter().map(|spec| spec.worker_id).collect()
    };
    let all = wait_until("workers to be started", PATIENCE, async || {
        let started = started();
        if started.len() >= total {
            Ok(started)
        } else {
            Err(format!("{} of {total}", started.len()))
        }
    })
    .await
    .unwrap();
    all.into_iter()
        .filter(|worker| !before.contains(worker))
        .collect()
}

async fn breakers(app: &TestApp) -> Vec<Value> {
    let (status, answer) = app.get("/api/status").await;
    assert_eq!(status, 200, "{answer}");
    answer["breakers"].as_array().unwrap().clone()
}

async fn wait_until_closed(app: &TestApp) {
    wait_until("the breaker to be closed", PATIENCE, async || {
        let shown = breakers(app).await;
        if shown.is_empty() {
            Ok(())
        } else {
            Err(format!("{shown:?}"))
        }
    })
    .await
    .unwrap();
}

async fn explain(app: &TestApp, id: WorkItemId) -> Value {
    let (status, answer) = app.get(&format!("/api/work/{id}/explain")).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

fn seconds_until(value: &Value) -> i64 {
    (time(value) - Utc::now()).num_seconds()
}

#[tokio::test]
async fn a_usage_limit_blocks_every_orchestrator_until_its_reset_and_spends_no_retry() {
    let services = Services::new().await;
    let settings = [
        ("MAX_WORKERS", "3"),
        ("RATE_LIMIT_MAX_WAIT_HOURS", "10"),
        ("RATE_LIMIT_JITTER_SECONDS", "60"),
    ];
    let app = TestApp::beside(&services, &settings).await;
    let items = submit(&app, 3).await;
    let workers = started(&app, 3, &[]).await;
    for worker in &workers {
        app.register(*worker).await;
    }
    limited(&app, workers[0], HOUR).await;
    let shown = breakers(&app).await;
    let first_end = time(&shown[0]["retryAt"]);
    assert!(
        (3590..=3661).contains(&seconds_until(&shown[0]["retryAt"])),
        "{shown:#?}"
    );

    // A later report extends it, and one with an earlier reset time does not shorten it.
    limited(&app, workers[1], 3 * HOUR).await;
    let shown = breakers(&app).await;
    let end = time(&shown[0]["retryAt"]);
    assert!(end >= first_end + TimeDelta::hours(1), "{shown:#?}");
    limited(&app, workers[2], 60).await;
    let waiting = app.submit().await;

    // It applies to all orchestrators, also after a restart.
    let other = TestApp::beside(&services, &settings).await;
    app.kill().await;
    let app = TestApp::beside(&services, &settings).await;
    for app in [&app, &other] {
        let (_, status) = app.get("/api/status").await;
        let shown = &status["breakers"][0];
        assert_eq!(
            (&shown["subject"], time(&shown["retryAt"])),
            (&json!("model"), end)
        );
        assert_eq!(shown["name"], "ANTHROPIC_API_KEY");
        assert_eq!(status["blockedReasons"][0]["code"], "model_unavailable");
        assert_eq!(time(&status["blockedReasons"][0]["retryAt"]), end);
        assert_eq!(
            (
                &shown["cause"],
                &shown["hasFixedExpiry"],
                &shown["operatorActionRequired"]
            ),
            (&json!("model_limited"), &json!(true), &json!(false)),
            "{shown:#}"
        );
        let sentence = status["blockedReasons"][0]["message"].as_str().unwrap();
        assert!(
            sentence.starts_with(
                "The model API rate-limits Whim (ANTHROPIC_API_KEY): You've hit your limit. Work resumes at "
            ),
            "{sentence}"
        );
        let (code, health) = app.get("/health").await;
        assert_eq!((code.as_u16(), &health["healthy"]), (200, &json!(true)));
        assert_eq!(health["model"]["healthy"], false, "{health:#}");
        assert!(app.runtime.started().is_empty());
    }
    for item in &items {
        let item = app.item(item.id).await;
        assert_eq!((item.status, item.retries), (WorkItemStatus::Queued, 0));
        let shown = explain(&app, item.id).await;
        assert_eq!(shown["reasonCode"], "model_unavailable", "{shown:#}");
    }
    let shown = explain(&app, waiting.id).await;
    assert_eq!(
        (&shown["reasonCode"], time(&shown["retryAt"])),
        (&json!("model_unavailable"), end),
        "{shown:#}"
    );
    app.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn work_resumes_at_the_reset_of_a_limit() {
    let app = TestApp::with(&[
        NO_PROBE,
        ("MAX_WORKERS", "2"),
        ("RATE_LIMIT_JITTER_SECONDS", "0.1"),
    ])
    .await;
    submit(&app, 2).await;
    let workers = started(&app, 2, &[]).await;
    for worker in &workers {
        app.register(*worker).await;
    }
    limited(&app, workers[0], 2).await;
    limited(&app, workers[1], 2).await;
    let end = time(&breakers(&app).await[0]["retryAt"]);

    started(&app, 4, &workers).await;

    assert!(Utc::now() >= end, "started before {end}");
    wait_until_closed(&app).await;
    app.stop().await;
}

#[tokio::test]
async fn an_implausible_reset_time_is_capped() {
    let app = TestApp::with(&[
        ("RATE_LIMIT_MAX_WAIT_HOURS", "2"),
        ("RATE_LIMIT_JITTER_SECONDS", "60"),
    ])
    .await;
    let (_item, worker) = app.running().await;

    limited(&app, worker, 365 * 24 * HOUR).await;

    let shown = breakers(&app).await;
    let left = seconds_until(&shown[0]["retryAt"]);
    assert!((2 * HOUR - 10..=2 * HOUR + 61).contains(&left), "{shown:#?}");
    app.stop().await;
}

#[tokio::test]
async fn resuming_ends_a_limit_early_and_one_worker_probes_before_the_others_start() {
    let app = TestApp::with(&[BUDGET, ("MAX_WORKERS", "3")]).await;
    let (_first, limited_worker) = app.running().await;
    limited(&app, limited_worker, HOUR).await;
    submit(&app, 4).await;

    let (status, answer) = app.post("/api/queue/resume", &json!({})).await;
    assert_eq!(status, 200, "{answer}");

    let probe = started(&app, 2, &[limited_worker]).await;
    app.register(probe[0]).await;
    let shown = breakers(&app).await;
    assert_eq!(
        (&shown[0]["halfOpen"], &shown[0]["hasFixedExpiry"]),
        (&json!(true), &json!(false)),
        "{shown:#?}"
    );
    assert_eq!(app.runtime.started().len(), 2, "one probes, the others wait");

    call_a_tool(&app, probe[0]).await;

    started(&app, 4, &[]).await;
    assert_eq!(breakers(&app).await, [] as [Value; 0]);
    app.stop().await;
}

#[tokio::test]
async fn a_late_failure_of_the_same_outage_does_not_replace_the_probe() {
    let app = TestApp::with(&[BUDGET, NO_PROBE, ("MAX_WORKERS", "3")]).await;
    let (_first, one) = app.running().await;
    let (second, other) = app.running().await;
    fail(&app, one, "model_unavailable").await;
    // Its own item may still be in backoff.
    submit(&app, 1).await;
    let (status, answer) = app.post("/api/queue/resume", &json!({})).await;
    assert_eq!(status, 200, "{answer}");
    let probe = started(&app, 3, &[one, other]).await;
    app.register(probe[0]).await;

    fail(&app, other, "model_unavailable").await;

    let shown = breakers(&app).await;
    assert_eq!(
        (&shown[0]["halfOpen"], &shown[0]["failures"]),
        (&json!(true), &json!(1)),
        "{shown:#?}"
    );
    assert_eq!(app.item(second.id).await.retries, 0);
    // Its progress is newer than the failure that the other one reported.
    call_a_tool(&app, probe[0]).await;
    started(&app, 4, &[]).await;
    assert_eq!(breakers(&app).await, [] as [Value; 0]);
    app.stop().await;
}

// docs/faults.md, row 39.
#[tokio::test]
async fn a_model_outage_spends_no_retry_and_items_come_back_spread_after_a_probe() {
    const HERD: usize = 8;
    let app = TestApp::with(&[BUDGET, ("MAX_WORKERS", "8"), ("BREAKER_PROBE_DELAY_SECONDS", "2")]).await;
    let items = submit(&app, HERD).await;
    let mut running = started(&app, HERD, &[]).await;
    for worker in &running {
        app.register(*worker).await;
    }
    let mut retries_at = Vec::new();
    for worker in &running {
        let answer = fail(&app, *worker, "model_unavailable").await;
        retries_at.push(time(&answer["nextRetryAt"]));
    }
    let shown = breakers(&app).await;
    // Failures of workers that were running already belong to the same outage.
    assert_eq!((shown.len(), &shown[0]["failures"]), (1, &json!(1)), "{shown:#?}");
    let retry_at = time(&shown[0]["retryAt"]);
    assert!(
        retries_at.iter().all(|at| *at <= retry_at),
        "{retries_at:?} {retry_at}"
    );
    let distinct: BTreeSet<_> = retries_at.iter().collect();
    assert_eq!(distinct.len(), HERD, "{retries_at:?}");

    // The first probe fails too.
    let probe = started(&app, HERD + 1, &running).await;
    app.register(probe[0]).await;
    fail(&app, probe[0], "model_unavailable").await;
    let shown = breakers(&app).await;
    assert_eq!(shown[0]["failures"], 2, "{shown:#?}");
    running.extend(probe);

    let second = started(&app, HERD + 2, &running).await;
    app.register(second[0]).await;
    assert_eq!(app.runtime.started().len(), HERD + 2, "one probe at a time");
    call_a_tool(&app, second[0]).await;
    let mut done = BTreeSet::new();
    wait_until("every item to be completed", PATIENCE, async || {
        for worker in app.runtime.running() {
            if done.insert(worker) {
                if worker != second[0] {
                    app.register(worker).await;
                }
                report(&app, worker, "complete", &complete()).await;
            }
        }
        let mut open = Vec::new();
        for item in &items {
            let item = app.item(item.id).await;
            assert_eq!(item.retries, 0);
            if item.status != WorkItemStatus::Completed {
                open.push(item.id);
            }
        }
        if open.is_empty() {
            Ok(())
        } else {
            Err(format!("{open:?}"))
        }
    })
    .await
    .unwrap();
    app.stop().await;
}

#[tokio::test]
async fn rejected_credentials_name_their_setting_and_are_probed_after_a_restart() {
    for (cause, setting, code) in [
        ("model_refused", "ANTHROPIC_API_KEY", "model_unavailable"),
        ("github_refused", "GITHUB_TOKEN", "github_unavailable"),
    ] {
        let services = Services::new().await;
        let settings = [("MAX_WORKERS", "3")];
        let app = TestApp::beside(&services, &settings).await;
        let (item, worker) = app.running().await;
        fail(&app, worker, cause).await;
        let waiting = app.submit().await;

        let (_, status) = app.get("/api/status").await;
        assert_eq!(
            status["breakers"][0]["operatorActionRequired"], true,
            "{status:#}"
        );
        assert!(status["warnings"].to_string().contains(setting), "{status:#}");
        // The longest delay between two probes.
        let left = seconds_until(&status["breakers"][0]["retryAt"]);
        assert!((1700..=1800).contains(&left), "{status:#}");
        assert_eq!(explain(&app, waiting.id).await["reasonCode"], code);
        assert_eq!(app.item(item.id).await.retries, 0);
        assert_eq!(app.runtime.started().len(), 1);
        app.stop().await;

        let app = TestApp::beside(&services, &settings).await;
        let probe = started(&app, 1, &[]).await;
        assert_eq!(breakers(&app).await[0]["halfOpen"], true);
        app.register(probe[0]).await;
        call_a_tool(&app, probe[0]).await;
        wait_until_closed(&app).await;
        app.stop().await;
    }
}

#[tokio::test]
async fn github_counts_as_unavailable_after_failures_in_several_repositories() {
    let app = TestApp::with(&[BUDGET, NO_PROBE, ("MAX_WORKERS", "9"), ("BREAKER_THRESHOLD", "3")]).await;
    for repo in ["octocat/one", "octocat/two", "octocat/two"] {
        app.submit_with(json!({ "repo": repo })).await;
    }
    let workers = started(&app, 3, &[]).await;
    for worker in &workers {
        app.register(*worker).await;
    }

    fail(&app, workers[0], "github_unavailable").await;
    fail(&app, workers[1], "github_unavailable").await;
    assert_eq!(breakers(&app).await, [] as [Value; 0]);
    fail(&app, workers[2], "github_unavailable").await;

    let shown = breakers(&app).await;
    assert_eq!(shown[0]["subject"], "github", "{shown:#?}");
    let waiting = app.submit().await;
    assert_eq!(
        explain(&app, waiting.id).await["reasonCode"],
        "github_unavailable"
    );
    app.stop().await;
}

// docs/faults.md, row 38.
#[tokio::test]
async fn a_crash_loop_blocks_its_repository_and_no_other() {
    let app = TestApp::with(&[
        BUDGET,
        ("MAX_WORKERS", "2"),
        ("BREAKER_THRESHOLD", "3"),
        ("BREAKER_PROBE_DELAY_SECONDS", "1"),
        ("RETRY_DELAYS_SECONDS", "600,600,600"),
    ])
    .await;
    for crashed in 1..=3 {
        let item = app.submit_with(json!({ "repo": "octocat/Broken" })).await;
        let worker = app.wait_for_worker(item.id).await;
        app.register(worker).await;
        assert_eq!(breakers(&app).await.len(), 0, "after {} crashes", crashed - 1);
        app.runtime.exit(worker, 139);
        app.wait_for_status(item.id, WorkItemStatus::Queued).await;
    }
    let shown = breakers(&app).await;
    assert_eq!(
        (&shown[0]["subject"], &shown[0]["name"]),
        (&json!("repository"), &json!("octocat/broken")),
        "{shown:#?}"
    );

    let waiting = app.submit_with(json!({ "repo": "octocat/broken" })).await;
    let behind = app.submit_with(json!({ "repo": "octocat/broken" })).await;
    let other = app.submit_with(json!({ "repo": "octocat/fine" })).await;
    let other_worker = app.wait_for_worker(other.id).await;
    app.register(other_worker).await;
    report(&app, other_worker, "complete", &complete()).await;

    // One worker probes, and the next starts only if that one does not crash.
    let probe = app.wait_for_worker(waiting.id).await;
    app.register(probe).await;
    assert_eq!(app.item(behind.id).await.status, WorkItemStatus::Queued);
    let shown = explain(&app, behind.id).await;
    assert_eq!(shown["reasonCode"], "repository_failing", "{shown:#}");
    report(&app, probe, "complete", &complete()).await;
    app.wait_for_worker(behind.id).await;
    app.stop().await;
}

// docs/faults.md, row 38.
#[tokio::test]
async fn a_poison_item_ends_after_its_retries_and_blocks_no_other() {
    let app = TestApp::with(&[
        BUDGET,
        ("MAX_WORKERS", "1"),
        ("BREAKER_THRESHOLD", "3"),
        ("RETRY_DELAYS_SECONDS", "0.1,0.1,0.1"),
    ])
    .await;
    let poison = app.submit_with(json!({ "priority": "critical" })).await;
    let good = submit(&app, 3).await;
    let mut seen = BTreeSet::new();
    let mut attempts = 0;

    wait_until("every item to have ended", PATIENCE, async || {
        for worker in app.runtime.running() {
            if seen.insert(worker) {
                app.register(worker).await;
                if app.runtime.spec(worker).work_item_id == poison.id {
                    attempts += 1;
                    app.runtime.exit(worker, 139);
                } else {
                    report(&app, worker, "complete", &complete()).await;
                }
            }
        }
        let mut open = Vec::new();
        for item in good.iter().chain([&poison]) {
            let item = app.item(item.id).await;
            if !item.status.is_terminal() {
                open.push((item.id, item.status));
            }
        }
        if open.is_empty() {
            Ok(())
        } else {
            Err(format!("{open:?}"))
        }
    })
    .await
    .unwrap();

    assert_eq!(attempts, 4, "the first attempt and three retries");
    let poison = app.item(poison.id).await;
    assert_eq!((poison.status, poison.retries), (WorkItemStatus::Failed, 3));
    for item in good {
        assert_eq!(app.item(item.id).await.status, WorkItemStatus::Completed);
    }
    // Crashes of a single item are not a crash loop of its repository.
    assert_eq!(breakers(&app).await, [] as [Value; 0]);
    app.stop().await;
}

// docs/faults.md, row 6.
#[tokio::test]
async fn a_runtime_is_probed_as_soon_as_it_is_available_again() {
    let app = TestApp::with(&[BUDGET]).await;
    app.runtime.set_unavailable(true);
    let item = app.submit().await;
    wait_until("the breaker to be open", PATIENCE, async || {
        let longer = "update breakers set retry_at = now() + interval '1 hour' where opened_at is not null";
        let longer = sqlx::query(longer).execute(&app.app.database).await.unwrap();
        if longer.rows_affected() == 1 {
            Ok(())
        } else {
            Err("none is")
        }
    })
    .await
    .unwrap();

    app.runtime.set_unavailable(false);

    app.wait_for_worker(item.id).await;
    app.stop().await;
}

// docs/faults.md, row 5.
#[tokio::test]
async fn an_unavailable_runtime_opens_a_breaker_before_the_queue_is_drained_into_it() {
    let app = TestApp::with(&[BUDGET, ("MAX_WORKERS", "5")]).await;
    app.runtime.set_unavailable(true);
    let items = submit(&app, 5).await;

    let shown = wait_until("the breaker to be open", PATIENCE, async || {
        let shown = breakers(&app).await;
        if shown.is_empty() {
            Err("none is")
        } else {
            Ok(shown)
        }
    })
    .await
    .unwrap();
    assert_eq!(
        (&shown[0]["subject"], &shown[0]["cause"]),
        (&json!("runtime"), &json!("runtime_unavailable")),
        "{shown:#?}"
    );
    let mut untouched = 0;
    for item in &items {
        let item = app.item(item.id).await;
        assert_eq!((item.status, item.retries), (WorkItemStatus::Queued, 0));
        untouched += usize::from(item.worker_id.is_none());
    }
    assert!(untouched >= 2, "{untouched} of {} were never tried", items.len());

    app.runtime.set_unavailable(false);
    for item in &items {
        app.wait_for_worker(item.id).await;
    }
    assert_eq!(breakers(&app).await, [] as [Value; 0]);
    app.stop().await;
}
