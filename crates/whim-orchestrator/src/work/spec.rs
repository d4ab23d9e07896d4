//! `PUT /api/work/:id/spec` and `POST /api/work/:id/spec/fail`: the results of spec generation.

use std::time::Duration;

use ralph_contract::{MAX_SPEC_BYTES, SpecDocument};
use sqlx::PgConnection;
use whim_core::protocol::work::{FailSpec, PutSpec, WorkItem};
use whim_core::retry::{RetryDecision, RetrySchedule};
use whim_core::{FailureCause, RetryRule, WorkItemId, WorkItemStatus};

use super::item;
use crate::app::App;
use crate::breakers;
use crate::db::in_transaction;
use crate::db::work_items::{self, Locked, TaskCounts};
use crate::error::Error;
use crate::metrics;
use crate::validate::{self, MAX_REASON_CHARACTERS};

/// A year: limits of model APIs reset within a month.
const MAX_RETRY_AFTER_SECONDS: u64 = 365 * 24 * 60 * 60;

/// Stores the spec of a `generating` item and queues the item. The same text again for the same run changes nothing.
///
/// # Errors
/// There is no such item, it is in another run, it left `generating` with another spec, the spec is invalid, or
/// Postgres is unavailable.
pub async fn submit_spec(app: &App, id: WorkItemId, request: PutSpec) -> Result<WorkItem, Error> {
    let PutSpec { run, spec } = request;
    let document = check(&spec)?;
    let (spec, tasks) = (document.as_str(), TaskCounts::of(&document));
    let (item, is_new) = in_transaction(&app.database, async |db| {
        let locked = lock(db, id, run).await?;
        let is_new = work_items::submit_spec(db, id, run, spec, tasks).await?;
        if is_new {
            breakers::spec_generated(db, &app.config).await?;
        }
        let item = item::find(app, db, id).await?;
        if is_new || item.spec.as_deref() == Some(spec) {
            return Ok((item, is_new));
        }
        Err(Error::ItemState {
            now: locked.status,
            asked: "given another spec",
        })
    })
    .await?;
    if is_new {
        metrics::transition(item.status);
    }
    Ok(item)
}

/// Locks an item that has to be in this run. Between the runs its description may have changed.
async fn lock(db: &mut PgConnection, id: WorkItemId, run: u32) -> Result<Locked, Error> {
    let item = work_items::lock(db, id).await?.ok_or(Error::NoSuchItem(id))?;
    if item.run == run {
        return Ok(item);
    }
    Err(Error::OtherRun {
        requested: run,
        current: item.run,
        now: item.status,
    })
}

/// A generated spec has to keep every convention: no person has reviewed it.
fn check(spec: &str) -> Result<SpecDocument, Error> {
    validate::text("spec", spec, MAX_SPEC_BYTES)?;
    let document = SpecDocument::parse(spec);
    document
        .check_submittable()
        .map_err(|problem| Error::invalid("spec", problem.to_string()))?;
    let violations: Vec<String> = document.violations().iter().map(ToString::to_string).collect();
    if violations.is_empty() {
        return Ok(document);
    }
    let problem = format!("violates {} of the conventions of SPEC.md", violations.len());
    Err(Error::Invalid {
        field: "spec",
        problem,
        violations,
    })
}

/// Fails a `generating` item for which no spec can be written, or defers it. The same final failure again changes
/// nothing.
///
/// # Errors
/// There is no such item, it is in another run or not `generating`, a field is invalid, or Postgres is unavailable.
pub async fn fail_spec(app: &App, id: WorkItemId, request: FailSpec) -> Result<WorkItem, Error> {
    check_cause(&request)?;
    validate::text("reason", &request.reason, MAX_REASON_CHARACTERS)?;
    let (item, failed) = in_transaction(&app.database, async |db| {
        let locked = lock(db, id, request.run).await?;
        let changed = if request.retryable {
            defer(app, db, &locked, &request).await?
        } else {
            let cause = FailureCause::SpecUnusable;
            work_items::fail_spec(db, id, request.run, cause, &request.reason).await?
        };
        let item = item::find(app, db, id).await?;
        let repeated = !request.retryable
            && item.status == WorkItemStatus::Failed
            && item.failure_cause == Some(FailureCause::SpecUnusable);
        if !changed && !repeated {
            return Err(Error::ItemState {
                now: locked.status,
                asked: "ended without a spec",
            });
        }
        let (retryable, reason) = (request.retryable, &request.reason);
        tracing::info!(work_item_id = %id, retryable, reason, "no spec was written");
        Ok((item, changed && !request.retryable))
    })
    .await?;
    if failed {
        metrics::transition(item.status);
    }
    Ok(item)
}

async fn defer(app: &App, db: &mut PgConnection, item: &Locked, request: &FailSpec) -> sqlx::Result<bool> {
    let breaker_open_for = match request.cause {
        Some(cause) => report(app, &mut *db, item, cause, request).await?,
        None => None,
    };
    // Spread over the time that the breaker is open, so that not all items return at once.
    let delay = breaker_open_for.map_or_else(
        || delay(&app.config.lifecycle.retries, item.spec_retries, rand::random()),
        |open_for| open_for.mul_f64(rand::random()),
    );
    let cause = request.cause.unwrap_or(FailureCause::ModelUnavailable);
    work_items::defer_spec(db, item.id, request.run, delay, cause, &request.reason).await
}

/// Reports a failure of the model API to its breaker, which workers share. Returns how long the breaker stays open.
async fn report(
    app: &App,
    db: &mut PgConnection,
    item: &Locked,
    cause: FailureCause,
    request: &FailSpec,
) -> sqlx::Result<Option<Duration>> {
    let failure = breakers::Failure {
        cause,
        reason: &request.reason,
        retry_after: request.retry_after_seconds.map(Duration::from_secs),
        before_registration: false,
        item: item.id,
        worker: None,
        repo: &item.repo,
        instance: app.runtime.instance(),
        credential: breakers::SPEC_CREDENTIAL,
    };
    breakers::report(db, &app.config.breakers, &failure).await
}

fn check_cause(request: &FailSpec) -> Result<(), Error> {
    if let Some(seconds) = request.retry_after_seconds
        && seconds > MAX_RETRY_AFTER_SECONDS
    {
        let problem = format!("was {seconds}; expected at most {MAX_RETRY_AFTER_SECONDS}");
        return Err(Error::invalid("retryAfterSeconds", problem));
    }
    let Some(cause) = request.cause else {
        return Ok(());
    };
    let is_the_models = matches!(
        cause,
        FailureCause::ModelLimited | FailureCause::ModelUnavailable | FailureCause::ModelRefused
    );
    if is_the_models && request.retryable {
        return Ok(());
    }
    let expected = "expected model_limited, model_unavailable or model_refused, with retryable";
    Err(Error::invalid("cause", format!("is {cause}; {expected}")))
}

/// Backoff of the spec generation after `deferrals` earlier ones: the delays of the retry schedule in order, then its
/// last one without limit. A retryable failure is trouble of the model API, not of the item, so it is never final.
fn delay(retries: &RetrySchedule, deferrals: usize, jitter: f64) -> Duration {
    let step = deferrals.min(retries.max_retries().saturating_sub(1));
    let decisions = [
        retries.decide(RetryRule::UpToLimit, step, jitter),
        // For a schedule without retries.
        retries.decide(RetryRule::WaitWithoutSpending, 0, jitter),
    ];
    let mut delays = decisions.into_iter().filter_map(|decision| match decision {
        RetryDecision::After { delay, .. } => Some(delay),
        RetryDecision::GiveUp => None,
    });
    delays.next().unwrap_or(Duration::from_mins(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_JITTER: f64 = 0.5;

    #[test]
    fn spec_generation_backs_off_and_is_never_given_up() {
        let schedule = RetrySchedule::default();
        let delays: Vec<u64> = (0..5)
            .map(|deferrals| delay(&schedule, deferrals, NO_JITTER).as_secs())
            .collect();
        assert_eq!(delays, [60, 300, 1800, 1800, 1800]);
        assert_eq!(
            delay(&RetrySchedule::new([]), 0, NO_JITTER),
            Duration::from_secs(60)
        );
    }
}
