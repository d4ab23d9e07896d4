//! The one place where an attempt ends without a pull request.
//!
//! The worker's row ends, and its item is deferred to another attempt or has failed.

use std::time::Duration;

use sqlx::PgConnection;
use whim_core::protocol::checks::TestReport;
use whim_core::protocol::worker::AttemptEnded;
use whim_core::{FailureCause, WorkItemStatus, WorkerId, WorkerStatus};

use super::after_end::worker_ended;
use super::attempt::Attempt;
use super::next_attempt::{AttemptEnd, EndedBy, History, next_attempt};
use crate::app::App;
use crate::breakers;
use crate::db::workers::{End, FinalResponse};
use crate::db::{in_transaction, storable, work_items, workers};
use crate::error::Error;
use crate::metrics;

/// Longest stored reason, in bytes; the rest is cut.
const MAX_REASON_BYTES: usize = 16 * 1024;

/// Result of a requested transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition<T> {
    Done(T),
    /// Another transition came first.
    Late {
        /// The item's state.
        now: WorkItemStatus,
    },
    /// There is no such worker.
    Gone,
}

/// Ends an attempt, unless it has ended before.
///
/// # Errors
/// Postgres is unavailable.
pub async fn end_attempt(
    app: &App,
    worker: WorkerId,
    end: &AttemptEnd,
) -> Result<Transition<AttemptEnded>, Error> {
    let transition = in_transaction(&app.work_database, async |db| {
        let Some(attempt) = Attempt::lock(db, worker).await? else {
            return Ok::<_, Error>(Transition::Gone);
        };
        let ended = end_locked(app, db, &attempt, end, None).await?;
        let now = attempt.item.status;
        Ok(ended.map_or(Transition::Late { now }, Transition::Done))
    })
    .await?;
    if let Transition::Done(ended) = &transition {
        metrics::transition(ended.status);
        worker_ended(app, worker).await;
    }
    Ok(transition)
}

/// Ends an attempt whose rows are locked; `None` when the worker no longer has the item.
pub(super) async fn end_locked(
    app: &App,
    db: &mut PgConnection,
    attempt: &Attempt,
    end: &AttemptEnd,
    tests: Option<&TestReport>,
) -> Result<Option<AttemptEnded>, Error> {
    if !attempt.has_item() {
        return Ok(None);
    }
    let Attempt { item, worker } = attempt;
    let reason = stored_reason(&end.reason);
    let breaker_open_for = if end.is_runtime_restart() {
        None
    } else {
        report(app, &mut *db, attempt, end, &reason).await?
    };
    let history = History::load(&mut *db, &app.config, attempt, end.cause).await?;
    let reason = match history.note() {
        Some(note) => format!("{reason}\n\n{note}"),
        None => reason,
    };
    let ended = match next_attempt(&app.config, attempt, end, history, breaker_open_for) {
        Some(next) => {
            work_items::requeue_after_failure(&mut *db, item.id, item.lease_epoch, next, end.cause, &reason)
                .await?
                .map(|due| AttemptEnded {
                    status: WorkItemStatus::Queued,
                    next_retry_at: Some(due),
                })
        }
        None => work_items::fail(&mut *db, item.id, item.lease_epoch, end.cause, &reason)
            .await?
            .then_some(AttemptEnded {
                status: WorkItemStatus::Failed,
                next_retry_at: None,
            }),
    };
    // The rows are locked and were checked, so this cannot be late; if it is, nothing is committed.
    let ended = ended.ok_or_else(|| attempt.lease_lost())?;
    let final_response = match end.by {
        EndedBy::Worker(report) => Some(FinalResponse {
            report,
            answer: ended.clone(),
        }),
        EndedBy::Exit | EndedBy::Reconciler | EndedBy::Person => None,
    };
    let row = End {
        status: worker_status(worker.status, end),
        cause: Some(end.cause),
        error: Some(&reason),
        tests,
        final_response: final_response.as_ref(),
        stop_requested: matches!(end.by, EndedBy::Reconciler | EndedBy::Person),
        stopped: end.by == EndedBy::Exit,
    };
    if !workers::end(db, worker.id, worker.lease_epoch, &row).await? {
        return Err(attempt.lease_lost());
    }
    let (work_item_id, worker_id, cause) = (item.id, worker.id, end.cause);
    tracing::info!(%work_item_id, %worker_id, %cause, status = %ended.status, reason, "attempt ended");
    Ok(Some(ended))
}

/// Reports the failure to the breakers; returns how long the one that it concerns stays open.
async fn report(
    app: &App,
    db: &mut PgConnection,
    attempt: &Attempt,
    end: &AttemptEnd,
    reason: &str,
) -> Result<Option<Duration>, Error> {
    if end.by == EndedBy::Person {
        return Ok(None);
    }
    let failure = breakers::Failure {
        cause: end.cause,
        reason,
        retry_after: end.retry_after,
        before_registration: attempt.worker.registered_at.is_none(),
        item: attempt.item.id,
        worker: Some(attempt.worker.id),
        repo: &attempt.item.repo,
        instance: &attempt.worker.instance,
        credential: breakers::worker_credential(&app.config),
    };
    Ok(breakers::report(db, &app.config.breakers, &failure).await?)
}

/// The terminal state of the worker.
fn worker_status(now: WorkerStatus, end: &AttemptEnd) -> WorkerStatus {
    match (end.by, end.cause) {
        (EndedBy::Person, _) => WorkerStatus::Killed,
        // A worker that never registered cannot be stuck.
        (_, FailureCause::Stuck) if now == WorkerStatus::Running => WorkerStatus::Stuck,
        (EndedBy::Worker(_) | EndedBy::Exit | EndedBy::Reconciler, _) => WorkerStatus::Failed,
    }
}

/// A reason as it is stored. Agents write reasons, so the text may be anything.
fn stored_reason(reason: &str) -> String {
    let mut stored = storable(reason.trim()).into_owned();
    if stored.len() > MAX_REASON_BYTES {
        stored.truncate(stored.floor_char_boundary(MAX_REASON_BYTES));
        stored.push('…');
    }
    if stored.is_empty() {
        stored.push_str("No reason was given.");
    }
    stored
}
