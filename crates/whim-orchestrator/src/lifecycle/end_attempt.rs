//! The one place where a worker stops being one without having delivered.
//!
//! Its row ends, its item waits for another attempt or has failed, and after the commit its locks are released and
//! whoever has to look is poked.

use std::time::Duration;

use sqlx::PgConnection;
use whim_core::protocol::status::Worker;
use whim_core::protocol::worker::{AttemptEnded, TestReport};
use whim_core::retry::RetryDecision;
use whim_core::{FailureCause, RetryRule, WorkItemStatus, WorkerId, WorkerStatus};
use whim_service::chain::chain;

use super::{Attempt, kept_reason};
use crate::app::App;
use crate::breakers;
use crate::config::Config;
use crate::db::work_items::NextAttempt;
use crate::db::workers::{End, FinalReport, FinalResponse};
use crate::db::{budget, in_transaction, work_items, workers};
use crate::error::Error;
use crate::metrics;

/// Attempts count from registration on; so many workers in a row may end before theirs without spending a retry.
const FREE_FAILED_STARTS: u32 = 5;

/// What became of a transition that somebody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition<T> {
    /// It was made.
    Done(T),
    /// Another one was made before; the item's state by now.
    Late {
        /// The state that won.
        now: WorkItemStatus,
    },
    /// There is no such worker.
    Gone,
}

/// How an attempt ended without a pull request.
#[derive(Clone, Debug)]
pub struct AttemptEnd {
    /// Why, for a program: decides what follows for the item.
    pub cause: FailureCause,
    /// Why, for a person.
    pub reason: String,
    /// The least time until the next attempt, where it is known.
    pub retry_after: Option<Duration>,
    /// Who says so.
    pub by: EndedBy,
}

impl AttemptEnd {
    /// The runtime was away and says so itself: it is back, and there is nothing to wait for (`FAULTS.md`, row 6).
    fn tells_of_a_return(&self) -> bool {
        self.by == EndedBy::Exit && self.cause == FailureCause::RuntimeUnavailable
    }
}

/// Who says that an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The worker itself, which exits now.
    Worker(FinalReport),
    /// The runtime: nothing of the worker is left.
    Exit,
    /// A reconciler or the dispatcher: something of the worker may run and has to be stopped.
    Reconciler,
    /// A person: it has to be stopped.
    Person,
}

/// Ends an attempt, unless somebody else ended it before.
///
/// # Errors
/// Postgres is away.
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
        after_commit(app, worker).await;
    }
    Ok(transition)
}

/// Ends a worker because a person asked for it; its item is tried again like after a crash. One that was killed before
/// is the answer as it is.
///
/// # Errors
/// There is no such worker, it ended otherwise before, or Postgres is away.
pub async fn kill(app: &App, id: WorkerId) -> Result<Worker, Error> {
    let end = AttemptEnd {
        cause: FailureCause::Crash,
        reason: "The worker was killed by a person.".to_owned(),
        retry_after: None,
        by: EndedBy::Person,
    };
    let transition = end_attempt(app, id, &end).await?;
    let worker = workers::find(&app.database, id)
        .await?
        .ok_or(Error::NoSuchWorker(id))?;
    match transition {
        Transition::Done(_) => Ok(worker),
        Transition::Late { .. } | Transition::Gone if worker.status == WorkerStatus::Killed => Ok(worker),
        Transition::Late { .. } | Transition::Gone => Err(Error::WorkerState {
            now: worker.status,
            asked: "be killed",
        }),
    }
}

/// Ends an attempt whose rows are locked; `None` when the item is this worker's no more.
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
    let reason = kept_reason(&end.reason);
    let spared = if end.tells_of_a_return() {
        None
    } else {
        report(app, &mut *db, attempt, end, &reason).await?
    };
    let budget_reset = if end.cause == FailureCause::IterationsUsedUp {
        let max_iterations = app.config.limits.max_iterations.get();
        budget::reset_of_shortened_allowance(&mut *db, worker.id, max_iterations).await?
    } else {
        None
    };
    let next = match budget_reset {
        // The daily budget was too small for the attempt, and not the attempt for the item.
        Some(delay) => Some(NextAttempt {
            delay,
            spends_retry: false,
            failed_start: false,
        }),
        None => next_attempt(&app.config, attempt, end, spared),
    };
    let ended = match next {
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
    // The rows are locked and were looked at: from here on it cannot be late, and half an end is none.
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

/// Ends the worker that has an item which was just cancelled; answers which one that was.
pub(crate) async fn kill_worker_of(
    db: &mut PgConnection,
    item: &work_items::Locked,
    note: &str,
) -> Result<Option<WorkerId>, Error> {
    let in_hand = matches!(item.status, WorkItemStatus::Assigned | WorkItemStatus::InProgress);
    let Some(worker) = item.worker_id.filter(|_| in_hand) else {
        return Ok(None);
    };
    let end = End {
        status: WorkerStatus::Killed,
        cause: None,
        error: Some(note),
        tests: None,
        final_response: None,
        stop_requested: true,
        stopped: false,
    };
    let ended = workers::end(db, worker, item.lease_epoch, &end).await?;
    Ok(ended.then_some(worker))
}

/// What follows once the end of a worker is committed: its locks are released and others look. None of it can fail
/// the transition: reconcilers make up for what does not happen here.
pub(crate) async fn after_commit(app: &App, worker: WorkerId) {
    if let Err(error) = app.locks.release_all(worker).await {
        let error = chain(&error);
        tracing::warn!(worker_id = %worker, %error, "the locks of an ended worker stay for now");
        app.wakers.locks.activate();
    }
    app.wakers.terminate.activate();
    app.wakers.budget.activate();
    app.wakers.dispatch.notify_one();
    app.events.notify_changed();
}

/// Tells the breakers; answers for how long nothing is started that needs what failed, where that is so.
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

/// What the item carries to its next attempt; `None` when there is none. `spared` is for how long nothing is started
/// anyhow: the item comes back at any time before that is over, so that those that failed together do not come back
/// together, and none waits longer than it has to.
fn next_attempt(
    config: &Config,
    attempt: &Attempt,
    end: &AttemptEnd,
    spared: Option<Duration>,
) -> Option<NextAttempt> {
    let (item, retries) = (&attempt.item, &config.lifecycle.retries);
    let failed_start =
        attempt.worker.registered_at.is_none() && end.cause.retry_rule() == RetryRule::UpToLimit;
    let jitter = rand::random();
    let decision = if failed_start && item.failed_starts < FREE_FAILED_STARTS {
        retries.decide(FailureCause::RuntimeUnavailable, item.retries, jitter)
    } else {
        retries.decide(end.cause, item.retries, jitter)
    };
    match decision {
        RetryDecision::After { delay, spends_retry } => {
            let least = end.retry_after.unwrap_or_default().min(config.breakers.max_wait);
            let delay = match spared {
                _ if end.tells_of_a_return() => Duration::ZERO,
                Some(spared) if !spends_retry => spared.mul_f64(jitter),
                _ => delay.max(least),
            };
            Some(NextAttempt {
                delay,
                spends_retry,
                failed_start,
            })
        }
        RetryDecision::GiveUp => None,
    }
}

/// The terminal state of a worker whose attempt ended so.
fn worker_status(now: WorkerStatus, end: &AttemptEnd) -> WorkerStatus {
    match (end.by, end.cause) {
        (EndedBy::Person, _) => WorkerStatus::Killed,
        // Only what runs can be stuck.
        (_, FailureCause::Stuck) if now == WorkerStatus::Running => WorkerStatus::Stuck,
        (EndedBy::Worker(_) | EndedBy::Exit | EndedBy::Reconciler, _) => WorkerStatus::Failed,
    }
}
