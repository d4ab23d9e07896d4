//! Budgets of single repositories and users (docs/attacks.md, row 35).
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use whim_core::protocol::work::WorkItem;
use whim_core::{WorkItemStatus, WorkerId};
use whim_testkit::wait::wait_until;

use crate::app::{PATIENCE, Services, TestApp};

/// More slots and iterations than any test needs: only the tested budget limits.
const ROOM: [(&str, &str); 3] = [
    ("MAX_WORKERS", "50"),
    ("DAILY_BUDGET", "100000"),
    ("MAX_ITERATIONS", "10"),
];

fn with<'a>(settings: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&ROOM, settings].concat()
}

/// Allowances of the workers of a repository or user, in ascending order.
async fn reserved(app: &TestApp, of: &str) -> Vec<i32> {
    sqlx::query_scalar(
        "select w.max_iterations from workers w join work_items i on i.id = w.work_item_id
         where lower(i.repo) = $1 or lower(w.requested_by) = $1
         order by w.max_iterations",
    )
    .bind(of)
    .fetch_all(&app.app.database)
    .await
    .unwrap()
}

async fn until_reserved(app: &TestApp, of: &str, expected: &[i32]) {
    wait_until("the whole budget to be reserved", PATIENCE, async || {
        let reserved = reserved(app, of).await;
        if reserved == expected {
            Ok(())
        } else {
            Err(format!("{of}: {reserved:?} instead of {expected:?}"))
        }
    })
    .await
    .unwrap();
}

async fn explain(app: &TestApp, item: &WorkItem) -> Value {
    let (status, explained) = app.get(&format!("/api/work/{}/explain", item.id)).await;
    assert_eq!(status, 200, "{explained}");
    explained
}

async fn report_iterations(app: &TestApp, worker: WorkerId, iteration: u32) {
    let heartbeat = json!({ "seq": iteration, "iteration": iteration });
    let (status, answer) = app.worker_call(worker, "heartbeat", &heartbeat).await;
    assert_eq!(status, 200, "{answer}");
}

/// The items that are still queued.
async fn waiting(app: &TestApp, items: &[WorkItem]) -> Vec<WorkItem> {
    let mut waiting = Vec::new();
    for item in items {
        let item = app.item(item.id).await;
        if item.status == WorkItemStatus::Queued {
            waiting.push(item);
        }
    }
    waiting
}

#[tokio::test]
async fn a_repository_never_reserves_more_than_its_budget_and_delays_no_other() {
    let services = Services::new().await;
    let settings = with(&[
        ("DAILY_BUDGET_PER_REPO", "25"),
        ("DAILY_BUDGET_REPO_OVERRIDES", "octocat/Small=7,octocat/closed=0"),
    ]);
    let (one, other) = tokio::join!(
        TestApp::beside(&services, &settings),
        TestApp::beside(&services, &settings)
    );
    let mut items = Vec::new();
    for n in 0..6 {
        let app = if n % 2 == 0 { &one } else { &other };
        for repo in [
            "octocat/large",
            "octocat/small",
            "octocat/closed",
            "Octocat/Large",
        ] {
            let fields = json!({ "repo": repo, "priority": "critical" });
            items.push(app.submit_with(fields).await);
        }
    }
    let behind_all = one
        .submit_with(json!({ "repo": "octocat/other", "priority": "low" }))
        .await;

    until_reserved(&one, "octocat/large", &[5, 10, 10]).await;
    until_reserved(&one, "octocat/small", &[7]).await;
    one.wait_for(behind_all.id, "a worker for the other repository", |item| {
        item.worker_id.is_some()
    })
    .await;

    assert_eq!(reserved(&one, "octocat/closed").await, [] as [i32; 0]);
    let waiting = waiting(&one, &items).await;
    assert_eq!(waiting.len(), items.len() - 4);
    // An override of 0 lasts until the setting changes: it has no reset time.
    for (repo, code, resets, sentence) in [
        (
            "octocat/small",
            "budget_used_up",
            true,
            "All 7 iterations of the day for octocat/small are used or reserved (DAILY_BUDGET_PER_REPO or DAILY_BUDGET_REPO_OVERRIDES).",
        ),
        (
            "octocat/closed",
            "repository_disabled",
            false,
            "No worker is started in octocat/closed because DAILY_BUDGET_REPO_OVERRIDES sets it to 0.",
        ),
    ] {
        let item = waiting.iter().find(|item| item.repo.as_str() == repo).unwrap();
        let explained = explain(&one, item).await;
        assert_eq!(explained["reasonCode"], code, "{explained:#}");
        assert_eq!(explained["retryAt"].is_string(), resets, "{explained:#}");
        assert!(
            explained["explanation"].as_str().unwrap().starts_with(sentence),
            "{explained:#}"
        );
    }
    let (_, status) = one.get("/api/status").await;
    let warnings = status["warnings"].to_string();
    for repo in ["octocat/large", "octocat/small"] {
        assert!(
            warnings.contains(&format!("iterations of the day for {repo} are used")),
            "{warnings}"
        );
    }
    assert!(!warnings.contains("octocat/other"), "{warnings}");
    assert_eq!(
        status["blockedReasons"],
        json!([]),
        "others would be started at once"
    );
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn requests_of_one_user_never_reserve_more_than_the_budget_of_a_user() {
    let services = Services::new().await;
    let settings = with(&[("DAILY_BUDGET_PER_USER", "15"), ("DAILY_BUDGET_PER_REPO", "100")]);
    let (one, other) = tokio::join!(
        TestApp::beside(&services, &settings),
        TestApp::beside(&services, &settings)
    );
    let mut items = Vec::new();
    for n in 0..6 {
        let app = if n % 2 == 0 { &one } else { &other };
        for (repo, user) in [("octocat/a", "Mona"), ("octocat/b", "mona")] {
            let fields = json!({ "repo": repo, "priority": "critical", "requestedBy": user });
            items.push(app.submit_with(fields).await);
        }
    }
    let of_another = one
        .submit_with(json!({ "repo": "octocat/a", "priority": "low", "requestedBy": "hubot" }))
        .await;
    let without_requester = one
        .submit_with(json!({ "repo": "octocat/b", "priority": "low" }))
        .await;

    until_reserved(&one, "mona", &[5, 10]).await;
    for item in [&of_another, &without_requester] {
        one.wait_for(item.id, "a worker", |item| item.worker_id.is_some())
            .await;
    }

    let waiting = waiting(&one, &items).await;
    assert_eq!(waiting.len(), items.len() - 2);
    let explained = explain(&one, &waiting[0]).await;
    assert_eq!(explained["reasonCode"], "budget_used_up", "{explained:#}");
    let sentence = explained["explanation"].as_str().unwrap();
    assert!(
        sentence.to_lowercase().starts_with(
            "all 15 iterations of the day for requests by mona are used or reserved (daily_budget_per_user)"
        ),
        "{sentence}"
    );
    let (_, status) = one.get("/api/status").await;
    let warnings = status["warnings"].to_string();
    assert!(warnings.contains("for requests by mona"), "{warnings}");
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn the_end_of_a_worker_releases_unused_iterations_of_its_repository() {
    let app = TestApp::with(&with(&[("DAILY_BUDGET_PER_REPO", "12")])).await;
    let first = app.submit().await;
    let worker = app.wait_for_worker(first.id).await;
    app.register(worker).await;
    let second = app.submit().await;
    let second_worker = app.wait_for_worker(second.id).await;
    assert_eq!(
        app.register(second_worker).await["maxIterations"],
        2,
        "the remaining budget"
    );
    let third = app.submit().await;
    assert_eq!(explain(&app, &third).await["reasonCode"], "budget_used_up");

    report_iterations(&app, worker, 4).await;
    let (status, answer) = app
        .post(&format!("/api/work/{}/cancel", first.id), &json!({}))
        .await;
    assert_eq!(status, 200, "{answer}");

    let third_worker = app.wait_for_worker(third.id).await;
    assert_eq!(
        app.register(third_worker).await["maxIterations"],
        6,
        "the unused iterations of the first worker"
    );
    app.stop().await;
}

#[tokio::test]
async fn each_run_counts_against_the_user_who_requested_it() {
    let app = TestApp::with(&with(&[("DAILY_BUDGET_PER_USER", "10")])).await;
    let item = app.submit_with(json!({ "requestedBy": "mona" })).await;
    let worker = app.wait_for_worker(item.id).await;
    app.register(worker).await;
    report_iterations(&app, worker, 6).await;
    let cancel = format!("/api/work/{}/cancel", item.id);
    let (status, answer) = app.post(&cancel, &json!({})).await;
    assert_eq!(status, 200, "{answer}");

    let requeue = format!("/api/work/{}/requeue", item.id);
    let (status, answer) = app.post(&requeue, &json!({ "requestedBy": "hubot" })).await;
    assert_eq!((status.as_u16(), &answer["requestedBy"]), (200, &json!("hubot")));
    let worker = app
        .wait_for(item.id, "another worker", |item| item.worker_id != Some(worker))
        .await
        .worker_id
        .unwrap();
    assert_eq!(app.register(worker).await["maxIterations"], 10, "all of hubot's");
    let another_of_mona = app.submit_with(json!({ "requestedBy": "mona" })).await;
    let worker = app.wait_for_worker(another_of_mona.id).await;
    assert_eq!(
        app.register(worker).await["maxIterations"],
        4,
        "the iterations that mona used still count"
    );
    app.stop().await;
}

/// Reports that a worker used all iterations of its allowance.
async fn use_up(app: &TestApp, item: &WorkItem) -> (u64, WorkItem) {
    let worker = app.wait_for_worker(item.id).await;
    let allowance = app.register(worker).await["maxIterations"].as_u64().unwrap();
    let report = json!({ "cause": "iterations_used_up", "reason": "All iterations are used.", "iterations": allowance });
    let (status, answer) = app.worker_call(worker, "fail", &report).await;
    assert_eq!(status, 200, "{answer}");
    app.runtime.exit(worker, 0);
    (allowance, app.item(item.id).await)
}

#[tokio::test]
async fn an_allowance_that_a_budget_shortened_is_continued_after_the_reset_and_spends_no_retry() {
    for (budget, fields) in [
        (("DAILY_BUDGET", "12"), json!({})),
        (("DAILY_BUDGET_PER_REPO", "12"), json!({})),
        (("DAILY_BUDGET_PER_USER", "12"), json!({ "requestedBy": "mona" })),
    ] {
        let app = TestApp::with(&with(&[budget])).await;
        let first = app.submit_with(fields.clone()).await;
        app.wait_for_worker(first.id).await;
        let item = app.submit_with(fields).await;

        let (allowance, item) = use_up(&app, &item).await;

        assert_eq!(allowance, 2, "the rest of {budget:?}");
        assert_eq!(
            (item.status, item.retries),
            (WorkItemStatus::Queued, 0),
            "{budget:?}"
        );
        let (_, status) = app.get("/api/status").await;
        let resets_at: DateTime<Utc> = status["budget"]["resetsAt"].as_str().unwrap().parse().unwrap();
        let early = item.next_retry_at.unwrap() - resets_at;
        assert!(
            early.num_seconds().abs() <= 1,
            "{:?} {resets_at}",
            item.next_retry_at
        );
        let explained = explain(&app, &item).await;
        assert_eq!(explained["reasonCode"], "backoff", "{explained:#}");
        assert!(
            explained["explanation"]
                .as_str()
                .unwrap()
                .contains("the day's budget"),
            "{explained:#}"
        );
        app.stop().await;
    }
}

#[tokio::test]
async fn an_allowance_that_no_budget_shortened_is_final() {
    let app = TestApp::with(&with(&[("DAILY_BUDGET", "25")])).await;
    let full = app.submit().await;
    let (allowance, full) = use_up(&app, &full).await;
    assert_eq!((allowance, full.status), (10, WorkItemStatus::Failed));
    // Its own limit is lower than the rest of the budget.
    let small = app.submit_with(json!({ "maxIterations": 3 })).await;
    let (allowance, small) = use_up(&app, &small).await;
    assert_eq!((allowance, small.status), (3, WorkItemStatus::Failed));
    app.stop().await;
}
