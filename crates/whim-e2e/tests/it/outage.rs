//! An outage and then a rate limit of the model API: all work waits, with the reason, and no retries are spent.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use whim_core::protocol::explain::ReasonCode;
use whim_core::protocol::queue::PauseQueue;
use whim_core::protocol::status::{Breaker, BreakerSubject};
use whim_core::protocol::work::WorkItem;
use whim_core::protocol::workers::{Worker, WorkerFilter};
use whim_core::{FailureCause, WorkItemStatus};
use whim_e2e::sample;
use whim_e2e::system::{Options, System};
use whim_testkit::wait::wait_until;

use crate::world::{TIMEOUT, assert_no_violations, item_of, one_repository, pulls_closing};

const ISSUES: usize = 4;
/// Longer than Claude Code retries, so that a worker sees the limit.
const LIMIT: TimeDelta = TimeDelta::seconds(45);
const COOLDOWN: TimeDelta = TimeDelta::seconds(1);

/// Waits until the circuit breaker of the model API satisfies `expected`.
async fn breaker(system: &System, what: &str, expected: impl Fn(&Breaker) -> bool) -> Breaker {
    wait_until(what, TIMEOUT, async || {
        let status = system.client().unwrap().status().await;
        let breakers = status.map_err(|error| error.to_string())?.breakers;
        let found = breakers
            .iter()
            .find(|breaker| breaker.subject == BreakerSubject::Model && expected(breaker));
        found.cloned().ok_or(format!("{breakers:#?}"))
    })
    .await
    .unwrap()
}

/// Checks that `/api/status` and `explain` give the same reason for every work item that is not running.
async fn assert_blocked_by_model(system: &System, items: &[WorkItem], reason: &str) {
    let client = system.client().unwrap();
    let status = client.status().await.unwrap();
    assert!(
        status
            .blocked_reasons
            .iter()
            .any(|blocked| blocked.message.starts_with(reason)),
        "{:#?}",
        status.blocked_reasons
    );
    for item in items {
        let explanation = client.explain_work(item.id).await.unwrap();
        let is_blocked = explanation.reason_code == ReasonCode::ModelUnavailable
            && explanation.explanation.starts_with(reason);
        assert!(
            is_blocked || explanation.reason_code == ReasonCode::Running,
            "{explanation:#?}"
        );
    }
}

fn started_within(workers: &[Worker], begin: DateTime<Utc>, end: DateTime<Utc>) -> Vec<&Worker> {
    let mut started: Vec<&Worker> = workers
        .iter()
        .filter(|worker| worker.started_at > begin && worker.started_at < end)
        .collect();
    started.sort_by_key(|worker| worker.started_at);
    started
}

// docs/faults.md, row 39.
#[tokio::test]
async fn an_outage_and_a_rate_limit_of_the_model_delay_all_work_without_spending_retries() {
    let options = Options::watching([sample::REPOSITORY])
        .setting("MAX_WORKERS", "2")
        .setting("COOLDOWN_SECONDS", COOLDOWN.num_seconds().to_string())
        .setting("BREAKER_PROBE_DELAY_SECONDS", "2")
        .setting("BREAKER_MAX_PROBE_DELAY_SECONDS", "4")
        .setting("RATE_LIMIT_JITTER_SECONDS", "2");
    let system = one_repository(options).await;
    let client = system.client().unwrap();
    // The specs are written before the outage.
    client.pause_queue(&PauseQueue::default()).await.unwrap();
    let mut items = Vec::new();
    let mut issues = Vec::new();
    for number in 0..ISSUES {
        let title = format!("Improve the documentation, part {number}");
        let body = "- Describe how to install it";
        issues.push(
            system
                .github
                .create_issue(sample::REPOSITORY, &title, body, &["whim"]),
        );
    }
    for issue in &issues {
        let queued = wait_until("the issue to be queued", TIMEOUT, async || {
            match system.item_of(sample::REPOSITORY, *issue).await {
                Ok(Some(item)) if item.status == WorkItemStatus::Queued => Ok(item),
                other => Err(format!("{other:?}")),
            }
        });
        items.push(queued.await.unwrap());
    }

    system.anthropic.begin_outage(529, "Overloaded");
    client.resume_queue().await.unwrap();
    let outage = breaker(&system, "a second failure", |breaker| {
        breaker.cause == FailureCause::ModelUnavailable && breaker.failures >= 2
    })
    .await;
    assert!(!outage.has_fixed_expiry, "{outage:#?}");
    assert_blocked_by_model(&system, &items, "The model API is unavailable").await;

    let end = Utc::now() + LIMIT;
    let message = format!(
        "Limit reached, resets at {}",
        end.to_rfc3339_opts(SecondsFormat::Secs, true)
    );
    system.anthropic.begin_outage(429, message);
    let limit = breaker(&system, "the reset time to be reported", |breaker| {
        breaker.cause == FailureCause::ModelLimited && breaker.has_fixed_expiry
    })
    .await;
    let limited_at = Utc::now();
    let until = limit.retry_at - end;
    assert!(
        until.abs() <= TimeDelta::seconds(5),
        "{until} after the reset time: {limit:#?}"
    );
    assert_blocked_by_model(&system, &items, "The model API rate-limits Whim").await;
    system.anthropic.end_outage();

    for issue in &issues {
        system
            .wait_for_label(sample::REPOSITORY, *issue, "ai-pr-ready", TIMEOUT * 3)
            .await
            .unwrap();
        let item = item_of(&system, sample::REPOSITORY, *issue).await;
        assert_eq!((item.status, item.retries), (WorkItemStatus::Completed, 0));
        assert_eq!(pulls_closing(&system, sample::REPOSITORY, *issue).len(), 1);
    }

    let workers = client.list_workers(&WorkerFilter::default()).await.unwrap().items;
    // During the outage there was one probe at a time, once the earlier workers had ended.
    let before = workers.iter().filter(|worker| worker.started_at <= outage.since);
    let last_end = before.filter_map(|worker| worker.ended_at).max().unwrap();
    for pair in started_within(&workers, last_end, limited_at).windows(2) {
        assert!(pair[0].ended_at.unwrap() <= pair[1].started_at, "{pair:#?}");
    }
    // No worker started before the reset time, and afterwards they started with the cooldown between them.
    assert!(
        started_within(&workers, limited_at, limit.retry_at).is_empty(),
        "{workers:#?}"
    );
    let afterwards = started_within(&workers, limit.retry_at, Utc::now());
    assert!(!afterwards.is_empty(), "{workers:#?}");
    for pair in afterwards.windows(2) {
        let apart = pair[1].started_at - pair[0].started_at;
        assert!(apart >= COOLDOWN * 9 / 10, "{apart}: {pair:#?}");
    }
    assert_no_violations(&system);
    system.stop().await.unwrap();
}
