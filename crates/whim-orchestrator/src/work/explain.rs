//! Why an item is not running.

use chrono::{DateTime, Utc};
use whim_core::protocol::explain::{Explanation, ReasonCode};
use whim_core::protocol::work::WorkItem;
use whim_core::{FailureCause, Stage, WorkItemStatus};
use whim_core::{WorkItemId, WorkerId};

use crate::admission::{BlockedReason, Snapshot, admit, reasons_of_item};
use crate::app::App;
use crate::breakers::OpenBreakers;
use crate::db::{work_items, workers};
use crate::error::Error;

/// Counting a long queue is expensive, and its exact length makes no difference.
const COUNTED_AHEAD: i64 = 1000;

struct Reason {
    code: ReasonCode,
    explanation: String,
    retry_at: Option<DateTime<Utc>>,
}

impl Reason {
    fn new(code: ReasonCode, explanation: impl Into<String>) -> Self {
        Self {
            code,
            explanation: explanation.into(),
            retry_at: None,
        }
    }
}

impl From<&BlockedReason> for Reason {
    fn from(reason: &BlockedReason) -> Self {
        let reason = reason.to_protocol();
        Self {
            code: reason.code,
            explanation: reason.message,
            retry_at: reason.retry_at,
        }
    }
}

/// Why an item is not running.
///
/// # Errors
/// There is no such item, or Postgres is unavailable.
pub async fn explain(app: &App, id: WorkItemId) -> Result<Explanation, Error> {
    let item = super::find(app, &app.database, id).await?;
    let reason = match item.status {
        WorkItemStatus::Queued => queued(app, &item).await?,
        WorkItemStatus::Generating => generating(app, &item).await?,
        WorkItemStatus::Assigned => Reason::new(
            ReasonCode::Running,
            with_latest_failure("Its worker was started and has not registered yet.", &item),
        ),
        WorkItemStatus::InProgress => running(app, &item).await?,
        WorkItemStatus::Completed => {
            Reason::new(ReasonCode::Ended, "It is completed: its pull request is open.")
        }
        WorkItemStatus::Failed | WorkItemStatus::Cancelled => ended(&item),
    };
    Ok(Explanation {
        id,
        status: item.status,
        reason_code: reason.code,
        explanation: reason.explanation,
        retry_at: reason.retry_at,
    })
}

async fn queued(app: &App, item: &WorkItem) -> Result<Reason, Error> {
    let snapshot = Snapshot::read(app).await?;
    let mut reasons = admit(&snapshot).err().unwrap_or_default();
    reasons.extend(reasons_of_item(&snapshot, &item.repo, item.requested_by.as_ref()));
    if let Some(next_retry_at) = item.next_retry_at {
        // A breaker may stay open longer than the item's own backoff.
        let mut reasons = reasons.iter().map(Reason::from);
        let longer = reasons
            .find(|reason| is_breaker(reason.code) && reason.retry_at.is_none_or(|at| at >= next_retry_at));
        return Ok(longer.unwrap_or_else(|| backoff(item, next_retry_at)));
    }
    if let Some(reason) = reasons.first() {
        return Ok(Reason::from(reason));
    }
    let ahead = work_items::ahead(&app.database, item.id, COUNTED_AHEAD).await?;
    Ok(match ahead {
        0 => Reason::new(ReasonCode::Next, "It is the next item to be started."),
        1 => Reason::new(ReasonCode::Behind, "One item is ahead of it in the queue."),
        many if many >= COUNTED_AHEAD.cast_unsigned() => Reason::new(
            ReasonCode::Behind,
            format!("At least {many} items are ahead of it in the queue."),
        ),
        many => Reason::new(
            ReasonCode::Behind,
            format!("{many} items are ahead of it in the queue."),
        ),
    })
}

async fn generating(app: &App, item: &WorkItem) -> Result<Reason, Error> {
    if let Some(next_retry_at) = item.next_retry_at {
        return Ok(backoff(item, next_retry_at));
    }
    if let Some(reason) = spec_blocked(app, item.id).await? {
        return Ok(Reason::from(&reason));
    }
    if let Some(silence) = app.intake_activity.silence().await {
        return Ok(Reason::new(ReasonCode::IntakeUnavailable, silence.to_string()));
    }
    Ok(Reason::new(
        ReasonCode::SpecMissing,
        "The intake is generating its spec.",
    ))
}

/// The breaker that keeps its spec from being generated. When a probe is due, the first item without a spec probes.
async fn spec_blocked(app: &App, item: WorkItemId) -> sqlx::Result<Option<BlockedReason>> {
    let breakers = OpenBreakers::read(&app.database).await?;
    let Some((open, may_probe)) = breakers.of_specs() else {
        return Ok(None);
    };
    let probes = may_probe && work_items::next_without_spec(&app.database).await? == Some(item);
    Ok((!probes).then(|| BlockedReason::of_breaker(open)))
}

async fn running(app: &App, item: &WorkItem) -> Result<Reason, Error> {
    let Some(worker) = item.worker_id else {
        return Ok(Reason::new(ReasonCode::Running, "It is running."));
    };
    // Without Redis no agent waits for a lock.
    if let Some(sentence) = app.locks.wait_of(worker).await.unwrap_or_default() {
        return Ok(Reason::new(ReasonCode::LockHeld, sentence));
    }
    let activity = activity(app, worker).await?;
    Ok(Reason::new(
        ReasonCode::Running,
        with_latest_failure(&activity, item),
    ))
}

async fn activity(app: &App, worker: WorkerId) -> sqlx::Result<String> {
    let Some(worker) = workers::find(&app.database, worker).await? else {
        return Ok("It is running.".to_owned());
    };
    Ok(match worker.stage {
        None | Some(Stage::Preparing) => format!(
            "Its worker, started at {}, is still preparing the workspace: it clones the repository and checks that it \
             can push. Its log says more (GET /api/workers/{}/logs).",
            minutes(worker.started_at),
            worker.id
        ),
        Some(Stage::Working) => format!(
            "Its agent is working on the checklist, in iteration {} of at most {}.",
            worker.iteration, worker.max_iterations
        ),
        Some(Stage::Testing) => "Its worker is running the tests of the project.".to_owned(),
        Some(Stage::Reviewing) => "Its worker is reviewing the changes.".to_owned(),
        Some(Stage::Delivering) => "Its worker is opening the pull request.".to_owned(),
    })
}

/// Adds the failure of the previous attempt, because an item that fails repeatedly is running in between.
fn with_latest_failure(activity: &str, item: &WorkItem) -> String {
    match first_line(item) {
        Some(error) => format!("{activity} The previous attempt failed: {error}"),
        None => activity.to_owned(),
    }
}

fn backoff(item: &WorkItem, next_retry_at: DateTime<Utc>) -> Reason {
    let at = minutes(next_retry_at);
    let explanation = match first_line(item) {
        _ if item.failure_cause == Some(FailureCause::IterationsUsedUp) => {
            format!("Its latest attempt used the rest of the day's budget. The next attempt is at {at}.")
        }
        Some(error) if item.status == WorkItemStatus::Generating => {
            format!("Its spec could not be generated: {error} The next try is at {at}.")
        }
        Some(error) => format!("Its latest attempt failed: {error} The next attempt is at {at}."),
        None => format!("The next attempt is at {at}."),
    };
    Reason {
        code: ReasonCode::Backoff,
        explanation,
        retry_at: Some(next_retry_at),
    }
}

fn ended(item: &WorkItem) -> Reason {
    let status = item.status;
    let id = item.id;
    let explanation = match first_line(item) {
        Some(error) => format!("It is {status}: {error} POST /api/work/{id}/requeue runs it again."),
        None => format!("It is {status}. POST /api/work/{id}/requeue runs it again."),
    };
    Reason::new(ReasonCode::Ended, explanation)
}

fn is_breaker(code: ReasonCode) -> bool {
    matches!(
        code,
        ReasonCode::ModelUnavailable
            | ReasonCode::GitHubUnavailable
            | ReasonCode::RuntimeUnavailable
            | ReasonCode::RepositoryFailing
    )
}

/// The first line of the error, which may have many, as a sentence.
fn first_line(item: &WorkItem) -> Option<String> {
    let line = item.error.as_deref()?.trim().lines().next()?.trim_end();
    let end = if line.ends_with(['.', '!', '?', '…']) {
        ""
    } else {
        "."
    };
    Some(format!("{line}{end}"))
}

fn minutes(time: DateTime<Utc>) -> impl std::fmt::Display {
    time.format("%Y-%m-%d %H:%M UTC")
}
