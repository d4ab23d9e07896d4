//! The model API is away, and limits Whim afterwards: everybody waits, is told why, and nobody pays for it.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use whim_core::protocol::queue::{PauseQueue, ReasonCode};
use whim_core::protocol::status::{Breaker, BreakerSubject, Worker};
use whim_core::protocol::work::WorkItem;
use whim_core::{FailureCause, WorkItemStatus};
use whim_e2e::sample;
use whim_e2e::system::{Options, System};
use whim_testkit::wait::wait_until;

use crate::world::{PATIENCE, assert_nothing_was_nonsense, item_of, one_repository, pulls_closing};

const ISSUES: usize = 4;
/// Long enough that the limit is not over when a worker has heard of it, after Claude Code's own tries.
const LIMIT: TimeDelta = TimeDelta::seconds(45);
const COOLDOWN: TimeDelta = TimeDelta::seconds(1);

/// The breaker of the model API, once it is as `expected` says.
async fn breaker(system: &System, what: &str, expected: impl Fn(&Breaker) -> bool) -> Breaker {
    wait_until(what, PATIENCE, async || {
        let status = system.client().unwrap().status().await;
        let breakers = status.map_err(|error| error.to_string())?.breakers;
        let told = breakers
            .iter()
            .find(|breaker| breaker.subject == BreakerSubject::Model && expected(breaker));
        told.cloned().ok_or(format!("{breakers:#?}"))
    })
    .await
    .unwrap()
}

/// Every item that is not running is explained by the model API, like `/api/status`.
async fn assert_all_know_why(system: &System, items: &[WorkItem], words: &str) {
    let client = system.client().unwrap();
    let status = client.status().await.unwrap();
    assert!(
        status.blocked_reasons.iter().any(|why| why.message.starts_with(words)),
        "{:#?}",
        status.blocked_reasons
    );
    for item in items {
        let told = client.explain_work(item.id).await.unwrap();
        let is_told = told.reason_code == ReasonCode::ModelUnavailable && told.explanation.starts_with(words);
        assert!(is_told || told.reason_code == ReasonCode::Running, "{told:#?}");
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

// FAULTS.md, row 39.
#[tokio::test]
async fn after_an_outage_and_a_limit_of_the_model_everything_is_delivered_and_no_retry_was_spent() {
    let options = Options::watching([sample::REPOSITORY])
        .setting("MAX_WORKERS", "2")
        .setting("COOLDOWN_SECONDS", COOLDOWN.num_seconds().to_string())
        .setting("BREAKER_PROBE_DELAY_SECONDS", "2")
        .setting("BREAKER_MAX_PROBE_DELAY_SECONDS", "4")
        .setting("RATE_LIMIT_JITTER_SECONDS", "2");
    let system = one_repository(options).await;
    let client = system.client().unwrap();
    // Their specs are written while the model answers.
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
        let queued = wait_until("the issue to be queued", PATIENCE, async || {
            match system.item_of(sample::REPOSITORY, *issue).await {
                Ok(Some(item)) if item.status == WorkItemStatus::Queued => Ok(item),
                other => Err(format!("{other:?}")),
            }
        });
        items.push(queued.await.unwrap());
    }

    system.anthropic.begin_outage(529, "Overloaded");
    client.resume_queue().await.unwrap();
    let outage = breaker(&system, "a worker that tried in vain", |breaker| {
        breaker.cause == FailureCause::ModelUnavailable && breaker.failures >= 2
    })
    .await;
    assert!(!outage.has_fixed_expiry, "{outage:#?}");
    assert_all_know_why(&system, &items, "The model API is unavailable").await;

    let end = Utc::now() + LIMIT;
    let words = format!(
        "Limit reached, resets at {}",
        end.to_rfc3339_opts(SecondsFormat::Secs, true)
    );
    system.anthropic.begin_outage(429, words);
    let limit = breaker(&system, "the end of the limit to be told", |breaker| {
        breaker.cause == FailureCause::ModelLimited && breaker.has_fixed_expiry
    })
    .await;
    let limited_at = Utc::now();
    let until = limit.retry_at - end;
    assert!(
        until.abs() <= TimeDelta::seconds(5),
        "{until} after its end: {limit:#?}"
    );
    assert_all_know_why(&system, &items, "The model API rate-limits Whim").await;
    system.anthropic.end_outage();

    for issue in &issues {
        system
            .wait_for_label(sample::REPOSITORY, *issue, "ai-pr-ready", PATIENCE * 3)
            .await
            .unwrap();
        let item = item_of(&system, sample::REPOSITORY, *issue).await;
        assert_eq!((item.status, item.retries), (WorkItemStatus::Completed, 0));
        assert_eq!(pulls_closing(&system, sample::REPOSITORY, *issue).len(), 1);
    }

    let workers = client.workers().await.unwrap().workers;
    // While it was away, one tried at a time, once those had ended that had begun before.
    let before = workers.iter().filter(|worker| worker.started_at <= outage.since);
    let last_end = before.filter_map(|worker| worker.ended_at).max().unwrap();
    for pair in started_within(&workers, last_end, limited_at).windows(2) {
        assert!(pair[0].ended_at.unwrap() <= pair[1].started_at, "{pair:#?}");
    }
    // Nobody came before the end of the limit, and then they came one after the other.
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
    assert_nothing_was_nonsense(&system);
    system.stop().await.unwrap();
}
