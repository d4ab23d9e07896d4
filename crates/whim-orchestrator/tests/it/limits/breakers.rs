//! What failed is spared: limits of the model, outages, refused credentials and crash loops.
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
/// Longer than a test: what happens in it happens without a probe.
const NO_PROBE: (&str, &str) = ("BREAKER_PROBE_DELAY_SECONDS", "3600");

async fn report(app: &TestApp, worker: WorkerId, route: &str, body: &Value) -> Value {
    let (status, answer) = app.worker_call(worker, route, body).await;
    assert_eq!(status, 200, "{answer}");
    // As a worker does once its report was answered.
    app.runtime.exit(worker, 0);
    answer
}

async fn fail(app: &TestApp, worker: WorkerId, cause: &str) -> Value {
    let body = json!({ "cause": cause, "reason": format!("trouble of the kind {cause}") });
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
    let beat = json!({
        "seq": 1, "iteration": 1, "events": [{ "occurredAt": Utc::now(), "type": "ralph", "event": event }],
    });
    let (status, answer) = app.worker_call(worker, "heartbeat", &beat).await;
    assert_eq!(status, 200, "{answer}");
}

async fn submit(app: &TestApp, count: usize) -> Vec<WorkItem> {
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(app.submit().await);
    }
    items
}

/// Waits until so many workers were started in all, and answers those that are new since `before`.
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
    wait_until("the breaker to be gone", PATIENCE, async || {
        let told = breakers(app).await;
        if told.is_empty() {
            Ok(())
        } else {
            Err(format!("{told:?}"))
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

/// How long a time is from now, in seconds.
fn seconds_until(value: &Value) -> i64 {
    (time(value) - Utc::now()).num_seconds()
}

#[tokio::test]
async fn a_usage_limit_parks_every_orchestrator_until_its_end_and_spends_no_retry() {
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
    let told = breakers(&app).await;
    let first_end = time(&told[0]["retryAt"]);
    assert!(
        (3590..=3661).contains(&seconds_until(&told[0]["retryAt"])),
        "{told:#?}"
    );

    // A later report extends it, and one with an earlier end does not shorten it.
    limited(&app, workers[1], 3 * HOUR).await;
    let told = breakers(&app).await;
    let end = time(&told[0]["retryAt"]);
    assert!(end >= first_end + TimeDelta::hours(1), "{told:#?}");
    limited(&app, workers[2], 60).await;
    let waiting = app.submit().await;

    // Everybody knows, also after a restart.
    let other = TestApp::beside(&services, &settings).await;
    app.kill().await;
    let app = TestApp::beside(&services, &settings).await;
    for app in [&app, &other] {
        let (_, status) = app.get("/api/status").await;
        let told = &status["breakers"][0];
        assert_eq!((&told["subject"], time(&told["retryAt"])), (&json!("model"), end));
        assert_eq!(
            (
                &told["cause"],
                &told["hasFixedExpiry"],
                &told["operatorActionRequired"]
            ),
            (&json!("model_limited"), &json!(true), &json!(false)),
            "{told:#}"
        );
        let sentence = status["blockedReasons"][0].as_str().unwrap();
        assert!(
            sentence.starts_with("The model API limits Whim (You've hit your limit); work goes on at "),
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
        let told = explain(&app, item.id).await;
        assert_eq!(told["reasonCode"], "model_unavailable", "{told:#}");
    }
    let told = explain(&app, waiting.id).await;
    assert_eq!(
        (&told["reasonCode"], time(&told["retryAt"])),
        (&json!("model_unavailable"), end),
        "{told:#}"
    );
    app.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn the_end_of_a_limit_lets_everything_go_on() {
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
async fn a_nonsense_end_of_a_limit_is_capped() {
    let app = TestApp::with(&[
        ("RATE_LIMIT_MAX_WAIT_HOURS", "2"),
        ("RATE_LIMIT_JITTER_SECONDS", "60"),
    ])
    .await;
    let (_item, worker) = app.running().await;

    limited(&app, worker, 365 * 24 * HOUR).await;

    let told = breakers(&app).await;
    let left = seconds_until(&told[0]["retryAt"]);
    assert!((2 * HOUR - 10..=2 * HOUR + 61).contains(&left), "{told:#?}");
    app.stop().await;
}

#[tokio::test]
async fn a_person_ends_a_park_early_and_one_worker_tries_before_the_rest_follows() {
    let app = TestApp::with(&[BUDGET, ("MAX_WORKERS", "3")]).await;
    let (_first, limited_worker) = app.running().await;
    limited(&app, limited_worker, HOUR).await;
    submit(&app, 4).await;

    let (status, answer) = app.post("/api/queue/resume", &json!({})).await;
    assert_eq!(status, 200, "{answer}");

    let probe = started(&app, 2, &[limited_worker]).await;
    app.register(probe[0]).await;
    let told = breakers(&app).await;
    assert_eq!(
        (&told[0]["halfOpen"], &told[0]["hasFixedExpiry"]),
        (&json!(true), &json!(false)),
        "{told:#?}"
    );
    assert_eq!(app.runtime.started().len(), 2, "one tries, the others wait");

    call_a_tool(&app, probe[0]).await;

    started(&app, 4, &[]).await;
    assert_eq!(breakers(&app).await, [] as [Value; 0]);
    app.stop().await;
}

#[tokio::test]
async fn a_late_failure_of_the_same_outage_does_not_forget_the_one_that_tries() {
    let app = TestApp::with(&[BUDGET, NO_PROBE, ("MAX_WORKERS", "3")]).await;
    let (_first, one) = app.running().await;
    let (second, other) = app.running().await;
    fail(&app, one, "model_unavailable").await;
    // Its own item may come back much later.
    submit(&app, 1).await;
    let (status, answer) = app.post("/api/queue/resume", &json!({})).await;
    assert_eq!(status, 200, "{answer}");
    let probe = started(&app, 3, &[one, other]).await;
    app.register(probe[0]).await;

    fail(&app, other, "model_unavailable").await;

    let told = breakers(&app).await;
    assert_eq!(
        (&told[0]["halfOpen"], &told[0]["failures"]),
        (&json!(true), &json!(1)),
        "{told:#?}"
    );
    assert_eq!(app.item(second.id).await.retries, 0);
    // What it gets was got after the failure began that the other one told of.
    call_a_tool(&app, probe[0]).await;
    started(&app, 4, &[]).await;
    assert_eq!(breakers(&app).await, [] as [Value; 0]);
    app.stop().await;
}

// FAULTS.md, row 39.
#[tokio::test]
async fn an_outage_of_the_model_spends_no_retry_and_its_herd_comes_back_spread_after_one_that_tried() {
    const HERD: usize = 8;
    let app = TestApp::with(&[BUDGET, ("MAX_WORKERS", "8"), ("BREAKER_PROBE_DELAY_SECONDS", "2")]).await;
    let items = submit(&app, HERD).await;
    let mut known = started(&app, HERD, &[]).await;
    for worker in &known {
        app.register(*worker).await;
    }
    let mut retries_at = Vec::new();
    for worker in &known {
        let answer = fail(&app, *worker, "model_unavailable").await;
        retries_at.push(time(&answer["nextRetryAt"]));
    }
    let told = breakers(&app).await;
    // Those that were running already are one outage.
    assert_eq!((told.len(), &told[0]["failures"]), (1, &json!(1)), "{told:#?}");
    let park_end = time(&told[0]["retryAt"]);
    assert!(
        retries_at.iter().all(|at| *at <= park_end),
        "{retries_at:?} {park_end}"
    );
    let distinct: BTreeSet<_> = retries_at.iter().collect();
    assert_eq!(distinct.len(), HERD, "{retries_at:?}");

    // It is still away for the first that tries.
    let probe = started(&app, HERD + 1, &known).await;
    app.register(probe[0]).await;
    fail(&app, probe[0], "model_unavailable").await;
    let told = breakers(&app).await;
    assert_eq!(told[0]["failures"], 2, "{told:#?}");
    known.extend(probe);

    let second = started(&app, HERD + 2, &known).await;
    app.register(second[0]).await;
    assert_eq!(app.runtime.started().len(), HERD + 2, "one at a time");
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
async fn refused_credentials_say_what_to_set_and_are_tried_again_by_a_restart() {
    for (cause, setting, because) in [
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
        // Rarely: the longest time between two probes.
        let left = seconds_until(&status["breakers"][0]["retryAt"]);
        assert!((1700..=1800).contains(&left), "{status:#}");
        assert_eq!(explain(&app, waiting.id).await["reasonCode"], because);
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
async fn one_failure_of_github_proves_nothing_but_several_in_a_row_do() {
    let app = TestApp::with(&[BUDGET, NO_PROBE, ("MAX_WORKERS", "9"), ("BREAKER_THRESHOLD", "3")]).await;
    submit(&app, 3).await;
    let workers = started(&app, 3, &[]).await;
    for worker in &workers {
        app.register(*worker).await;
    }

    fail(&app, workers[0], "github_unavailable").await;
    fail(&app, workers[1], "github_unavailable").await;
    assert_eq!(breakers(&app).await, [] as [Value; 0]);
    fail(&app, workers[2], "github_unavailable").await;

    let told = breakers(&app).await;
    assert_eq!(told[0]["subject"], "github", "{told:#?}");
    let waiting = app.submit().await;
    assert_eq!(
        explain(&app, waiting.id).await["reasonCode"],
        "github_unavailable"
    );
    app.stop().await;
}

// FAULTS.md, row 38.
#[tokio::test]
async fn a_repository_that_crashes_one_worker_after_the_other_is_paused_and_others_go_on() {
    let app = TestApp::with(&[
        BUDGET,
        ("MAX_WORKERS", "2"),
        ("BREAKER_THRESHOLD", "3"),
        ("BREAKER_PROBE_DELAY_SECONDS", "1"),
        ("RETRY_DELAYS", "600,600,600"),
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
    let told = breakers(&app).await;
    assert_eq!(
        (&told[0]["subject"], &told[0]["name"]),
        (&json!("repository"), &json!("octocat/broken")),
        "{told:#?}"
    );

    let waiting = app.submit_with(json!({ "repo": "octocat/broken" })).await;
    let behind = app.submit_with(json!({ "repo": "octocat/broken" })).await;
    let other = app.submit_with(json!({ "repo": "octocat/fine" })).await;
    let other_worker = app.wait_for_worker(other.id).await;
    app.register(other_worker).await;
    report(&app, other_worker, "complete", &complete()).await;

    // When its time has come, one tries, and the next only when that one did not crash.
    let probe = app.wait_for_worker(waiting.id).await;
    app.register(probe).await;
    assert_eq!(app.item(behind.id).await.status, WorkItemStatus::Queued);
    let told = explain(&app, behind.id).await;
    assert_eq!(told["reasonCode"], "repository_crashes", "{told:#}");
    report(&app, probe, "complete", &complete()).await;
    app.wait_for_worker(behind.id).await;
    app.stop().await;
}

// FAULTS.md, row 38.
#[tokio::test]
async fn a_poison_item_stops_at_its_retries_and_blocks_no_other() {
    let app = TestApp::with(&[
        BUDGET,
        ("MAX_WORKERS", "1"),
        ("BREAKER_THRESHOLD", "3"),
        ("RETRY_DELAYS", "0.1,0.1,0.1"),
    ])
    .await;
    let poison = app.submit_with(json!({ "priority": "critical" })).await;
    let good = submit(&app, 3).await;
    let mut seen = BTreeSet::new();
    let mut attempts = 0;

    wait_until("everything to have ended", PATIENCE, async || {
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
    // One item is no crash loop of a repository.
    assert_eq!(breakers(&app).await, [] as [Value; 0]);
    app.stop().await;
}

// FAULTS.md, row 6.
#[tokio::test]
async fn a_runtime_that_was_away_is_tried_as_soon_as_it_is_back() {
    let app = TestApp::with(&[BUDGET]).await;
    app.runtime.set_away(true);
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

    app.runtime.set_away(false);

    app.wait_for_worker(item.id).await;
    app.stop().await;
}

// FAULTS.md, row 5.
#[tokio::test]
async fn a_runtime_that_is_away_opens_a_breaker_and_no_queue_is_drained_into_it() {
    let app = TestApp::with(&[BUDGET, ("MAX_WORKERS", "5")]).await;
    app.runtime.set_away(true);
    let items = submit(&app, 5).await;

    let told = wait_until("the breaker to be open", PATIENCE, async || {
        let told = breakers(&app).await;
        if told.is_empty() { Err("none is") } else { Ok(told) }
    })
    .await
    .unwrap();
    assert_eq!(
        (&told[0]["subject"], &told[0]["cause"]),
        (&json!("runtime"), &json!("runtime_unavailable")),
        "{told:#?}"
    );
    let mut untouched = 0;
    for item in &items {
        let item = app.item(item.id).await;
        assert_eq!((item.status, item.retries), (WorkItemStatus::Queued, 0));
        untouched += usize::from(item.worker_id.is_none());
    }
    assert!(untouched >= 2, "{untouched} of {} were never tried", items.len());

    app.runtime.set_away(false);
    for item in &items {
        app.wait_for_worker(item.id).await;
    }
    assert_eq!(breakers(&app).await, [] as [Value; 0]);
    app.stop().await;
}
