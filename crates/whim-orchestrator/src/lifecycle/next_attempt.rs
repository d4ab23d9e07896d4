//! Whether and when an item is tried again after an attempt failed.

use std::time::Duration;

use sqlx::PgConnection;
use whim_core::retry::RetryDecision;
use whim_core::{FailureCause, LeaseEpoch, RetryRule, WorkItemId};

use super::attempt::Attempt;
use crate::config::Config;
use crate::db::budget;
use crate::db::work_items::{self, NextAttempt};
use crate::db::workers::{self, FinalReport, Streak};

/// An attempt counts from the registration of its worker. This many workers in a row may end before they register
/// without spending a retry.
const FREE_FAILED_STARTS: u32 = 5;

/// This many attempts in a row may end for a cause that spends no retry while other items get past it. After that the
/// item is the reason, and its attempts spend retries.
const FREE_DEFERRALS: u32 = 5;

/// How an attempt ended without a pull request.
#[derive(Clone, Debug)]
pub struct AttemptEnd {
    /// Decides whether there is another attempt.
    pub cause: FailureCause,
    /// The reason, for people.
    pub reason: String,
    /// Minimum time until the next attempt, if known.
    pub retry_after: Option<Duration>,
    pub by: EndedBy,
}

/// The source of the end of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The worker's own report; it exits afterwards.
    Worker(FinalReport),
    /// The runtime: nothing of the worker is left.
    Exit,
    /// A reconciler or the dispatcher: the worker may still run and has to be stopped.
    Reconciler,
    /// A person: the worker has to be stopped.
    Person,
}

impl AttemptEnd {
    /// The container engine or the machine was restarted, and the runtime answers again: there is nothing to wait for
    /// (`docs/faults.md`, row 6).
    pub(super) fn is_runtime_restart(&self) -> bool {
        self.by == EndedBy::Exit && self.cause == FailureCause::RuntimeUnavailable
    }
}

/// What the database knows about earlier attempts of the item.
#[derive(Clone, Copy, Debug)]
pub(super) struct History {
    /// Retries of this cause in the current run.
    retries_spent: usize,
    /// Whether the branch may have been moved by the previous worker of the item, which did not know yet that its lease
    /// was lost.
    moved_by_predecessor: bool,
    /// Time until the next day, when the attempt had fewer iterations than `MAX_ITERATIONS` because a budget was almost
    /// used up.
    budget_reset: Option<Duration>,
    /// Set when the item is the reason for a cause that spends no retry.
    own_streak: Option<Streak>,
}

impl History {
    pub(super) async fn load(
        db: &mut PgConnection,
        config: &Config,
        attempt: &Attempt,
        cause: FailureCause,
    ) -> sqlx::Result<Self> {
        let (item, epoch) = (attempt.item.id, attempt.worker.lease_epoch);
        let moved_by_predecessor = cause == FailureCause::BranchMoved
            && workers::predecessor_was_fenced(&mut *db, item, epoch).await?;
        let budget_reset = if cause == FailureCause::IterationsUsedUp {
            let max_iterations = config.limits.max_iterations.get();
            budget::reset_of_shortened_allowance(&mut *db, attempt.worker.id, max_iterations).await?
        } else {
            None
        };
        let own_streak = own_streak(&mut *db, item, epoch, cause).await?;
        Ok(Self {
            retries_spent: work_items::retries_spent(db, item, cause).await?,
            moved_by_predecessor,
            budget_reset,
            own_streak,
        })
    }

    /// What a person has to know besides the reason of this attempt.
    pub(super) fn note(&self) -> Option<String> {
        let attempts = self.own_streak?.attempts.saturating_add(1);
        Some(format!(
            "{attempts} attempts in a row ended like this while other work items got past it."
        ))
    }
}

async fn own_streak(
    db: &mut PgConnection,
    item: WorkItemId,
    epoch: LeaseEpoch,
    cause: FailureCause,
) -> sqlx::Result<Option<Streak>> {
    if !cause.may_concern_one_item() {
        return Ok(None);
    }
    let streak = workers::streak(&mut *db, item, epoch, cause).await?;
    let Some(streak) = streak.filter(|streak| streak.attempts >= FREE_DEFERRALS) else {
        return Ok(None);
    };
    let others_got_past = workers::others_got_past(db, item, streak.since, cause).await?;
    Ok(others_got_past.then_some(streak))
}

/// The next attempt; `None` when the item has failed. While a breaker stays open for `breaker_open_for`, nothing starts
/// anyway: the item returns at a random time before that is over, so that items that failed together return apart.
pub(super) fn next_attempt(
    config: &Config,
    attempt: &Attempt,
    end: &AttemptEnd,
    history: History,
    breaker_open_for: Option<Duration>,
) -> Option<NextAttempt> {
    let (item, retries) = (&attempt.item, &config.lifecycle.retries);
    let failed_start =
        attempt.worker.registered_at.is_none() && end.cause.retry_rule() == RetryRule::UpToLimit;
    let free_retry = |delay| NextAttempt {
        delay,
        spends_retry: false,
        failed_start: false,
    };
    if history.moved_by_predecessor {
        // The next attempt starts from what was pushed.
        return Some(free_retry(Duration::ZERO));
    }
    if let Some(reset) = history.budget_reset {
        return Some(free_retry(reset));
    }
    let jitter = rand::random();
    let rule = if failed_start && item.failed_starts < FREE_FAILED_STARTS {
        RetryRule::WaitWithoutSpending
    } else if history.own_streak.is_some() {
        RetryRule::UpToLimit
    } else {
        end.cause.retry_rule()
    };
    let decision = retries.decide(rule, history.retries_spent, jitter);
    match decision {
        RetryDecision::After { delay, spends_retry } => {
            let least = end.retry_after.unwrap_or_default().min(config.breakers.max_wait);
            let delay = match breaker_open_for {
                _ if end.is_runtime_restart() => Duration::ZERO,
                Some(open_for) if !spends_retry => open_for.mul_f64(jitter),
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
