//! Why an item is not running, in one sentence.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use whim_core::protocol::queue::{Explanation, ReasonCode};
use whim_core::protocol::status::BreakerSubject;
use whim_core::protocol::work::WorkItem;
use whim_core::{WorkItemId, WorkItemStatus};

use crate::app::App;
use crate::db::work_items;
use crate::dispatch::{self, BlockedReason};
use crate::error::Error;

/// Nobody wants to know it more exactly, and counting a long queue costs.
const COUNTED_AHEAD: i64 = 1000;

/// Why it is not running, for a program and for a person, and when that ends where it is known.
type Reason = (ReasonCode, String, Option<DateTime<Utc>>);

/// Why an item is not running.
///
/// # Errors
/// There is no such item, or Postgres is away.
pub async fn explain(app: &App, id: WorkItemId) -> Result<Explanation, Error> {
    let item = super::find(app, &app.database, id).await?;
    let (reason_code, explanation, retry_at) = match item.status {
        WorkItemStatus::Queued if item.next_retry_at.is_some() => queued_backoff(app, &item).await?,
        WorkItemStatus::Generating if item.next_retry_at.is_some() => backoff(&item),
        WorkItemStatus::Generating => spec_missing(app, id).await?,
        WorkItemStatus::Queued => waiting(app, &item).await?,
        WorkItemStatus::Assigned => (
            ReasonCode::Running,
            "A worker was started for it and has not registered yet.".to_owned(),
            None,
        ),
        WorkItemStatus::InProgress => running(app, &item).await,
        WorkItemStatus::Completed => (
            ReasonCode::Ended,
            "It is done: its pull request is open.".to_owned(),
            None,
        ),
        WorkItemStatus::Failed | WorkItemStatus::Cancelled => ended(&item),
    };
    Ok(Explanation {
        id,
        status: item.status,
        reason_code,
        explanation,
        retry_at,
    })
}

/// Without Redis nobody waits for a lock.
async fn running(app: &App, item: &WorkItem) -> Reason {
    let wait = match item.worker_id {
        Some(worker) => app.locks.wait_of(worker).await.unwrap_or_default(),
        None => None,
    };
    match wait {
        Some(sentence) => (ReasonCode::LockHeld, sentence, None),
        None => (ReasonCode::Running, "It is running.".to_owned(), None),
    }
}

fn backoff(item: &WorkItem) -> Reason {
    let at = item.next_retry_at.unwrap_or_default();
    let at_text = at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let why = item.error.as_deref().map(one_line).unwrap_or_default();
    let sentence = if why.is_empty() {
        format!("Its next attempt is at {at_text}.")
    } else {
        format!("Its next attempt is at {at_text}, because of the last one: {why}")
    };
    (ReasonCode::Backoff, sentence, Some(at))
}

fn ended(item: &WorkItem) -> Reason {
    let why = item.error.as_deref().map(one_line).unwrap_or_default();
    let status = item.status;
    let sentence = if why.is_empty() {
        format!("It is {status}; a requeue runs it again.")
    } else {
        format!("It is {status}; a requeue runs it again: {why}")
    };
    (ReasonCode::Ended, sentence, None)
}

/// What holds up everything may last longer than the wait of the item.
async fn queued_backoff(app: &App, item: &WorkItem) -> Result<Reason, Error> {
    let admission = dispatch::admission(app).await?;
    let longer = admission.refusals.into_iter().find(
        |refusal| matches!(refusal, BlockedReason::BreakerOpen { breaker, .. } if Some(breaker.retry_at) >= item.next_retry_at),
    );
    Ok(longer.map_or_else(|| backoff(item), |refusal| reason(&refusal)))
}

async fn spec_missing(app: &App, id: WorkItemId) -> Result<Reason, Error> {
    let refusal = dispatch::refusal_of_spec(app, id).await?;
    let being_written = || "Its spec is being written.".to_owned();
    Ok(refusal.map_or_else(
        || (ReasonCode::SpecMissing, being_written(), None),
        |refusal| reason(&refusal),
    ))
}

async fn waiting(app: &App, item: &WorkItem) -> Result<Reason, Error> {
    let admission = dispatch::admission(app).await?;
    if let Some(refusal) = admission.refusals.first() {
        return Ok(reason(refusal));
    }
    if let Some(refusal) = dispatch::refusal_of_item(app, item).await? {
        return Ok(reason(&refusal));
    }
    let ahead = work_items::ahead(&app.database, item.id, COUNTED_AHEAD).await?;
    Ok(match ahead {
        0 => (ReasonCode::Next, "It is the next to be started.".to_owned(), None),
        1 => (ReasonCode::Behind, "One item comes before it.".to_owned(), None),
        many if many >= COUNTED_AHEAD.cast_unsigned() => (
            ReasonCode::Behind,
            format!("{many} items or more come before it."),
            None,
        ),
        many => (ReasonCode::Behind, format!("{many} items come before it."), None),
    })
}

fn reason(refusal: &BlockedReason) -> Reason {
    let (code, retry_at) = reason_code(refusal);
    (code, refusal.to_string(), retry_at)
}

fn reason_code(refusal: &BlockedReason) -> (ReasonCode, Option<DateTime<Utc>>) {
    let after = |left: std::time::Duration| TimeDelta::from_std(left).ok().map(|left| Utc::now() + left);
    match refusal {
        BlockedReason::Paused(_) => (ReasonCode::Paused, None),
        BlockedReason::NoSlot { .. } => (ReasonCode::NoSlot, None),
        BlockedReason::BudgetUsedUp { resets_at, .. }
        | BlockedReason::RepositoryBudgetUsedUp { resets_at, .. }
        | BlockedReason::UserBudgetUsedUp { resets_at, .. } => (ReasonCode::BudgetUsedUp, Some(*resets_at)),
        BlockedReason::Cooldown { left } => (ReasonCode::Cooldown, after(*left)),
        BlockedReason::RedisAway => (ReasonCode::RedisAway, None),
        BlockedReason::NoRepositorySlot { .. } => (ReasonCode::NoRepositorySlot, None),
        BlockedReason::BreakerOpen { breaker, .. } => {
            let code = match breaker.subject {
                BreakerSubject::Model => ReasonCode::ModelUnavailable,
                BreakerSubject::GitHub => ReasonCode::GitHubUnavailable,
                BreakerSubject::Runtime => ReasonCode::StartsFail,
                BreakerSubject::Repository => ReasonCode::RepositoryCrashes,
            };
            (code, Some(breaker.retry_at).filter(|_| !breaker.half_open))
        }
    }
}

/// The first line of a reason that may have many.
fn one_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or_default()
}
