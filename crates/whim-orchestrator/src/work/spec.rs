//! `PUT /api/work/:id/spec` and `POST /api/work/:id/spec/fail`.

use std::time::Duration;

use ralph_contract::{MAX_SPEC_BYTES, SpecDocument};
use sqlx::PgConnection;
use whim_core::protocol::work::{FailSpec, PutSpec, WorkItem};
use whim_core::retry::{RetryDecision, RetrySchedule};
use whim_core::{FailureCause, WorkItemId, WorkItemStatus};

use crate::app::App;
use crate::breakers;
use crate::db::in_transaction;
use crate::db::work_items::{self, TaskCounts};
use crate::error::Error;
use crate::metrics;
use crate::validate::{self, MAX_NOTE_BYTES};

/// Gives a `generating` item the spec that was written for it, and queues it. The same text again changes nothing.
///
/// # Errors
/// There is no such item, it is past `generating` with another spec, the spec cannot be worked on or breaks a
/// convention, or Postgres is away.
pub async fn hand_in_spec(app: &App, id: WorkItemId, request: PutSpec) -> Result<WorkItem, Error> {
    let document = check(&request.spec)?;
    let (spec, tasks) = (document.as_str(), TaskCounts::of(&document));
    let (item, new) = in_transaction(&app.database, async |db| {
        let item = work_items::lock(db, id).await?.ok_or(Error::NoSuchItem(id))?;
        let handed_in = work_items::hand_in_spec(db, id, spec, tasks).await?;
        if handed_in {
            breakers::spec_generated(db, &app.config).await?;
        }
        let now = super::find(app, db, id).await?;
        if handed_in || now.spec.as_deref() == Some(spec) {
            return Ok((now, handed_in));
        }
        Err(Error::ItemState {
            now: item.status,
            asked: "given another spec",
        })
    })
    .await?;
    if new {
        metrics::transition(item.status);
    }
    Ok(item)
}

/// A spec that a program notify_changed has to keep every convention: nobody has looked at it yet.
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
    let problem = format!("breaks {} of the conventions of SPEC.md", violations.len());
    Err(Error::Invalid {
        field: "spec",
        problem,
        violations,
    })
}

/// Ends a `generating` item for which no spec can be written, or puts it off. NewEvent again of what has ended so, the
/// item as it is.
///
/// # Errors
/// There is no such item, it is not `generating`, a field is wrong, or Postgres is away.
pub async fn fail_spec(app: &App, id: WorkItemId, request: FailSpec) -> Result<WorkItem, Error> {
    check_cause(&request)?;
    let FailSpec {
        reason,
        retryable,
        cause,
        retry_after_seconds,
    } = request;
    validate::text("reason", &reason, MAX_NOTE_BYTES)?;
    let delay_after = |delays_before| delay(&app.config.lifecycle.retries, delays_before, rand::random());
    let (item, failed) = in_transaction(&app.database, async |db| {
        let item = work_items::lock(db, id).await?.ok_or(Error::NoSuchItem(id))?;
        let changed = if retryable {
            let spared = match cause {
                Some(cause) => {
                    let retry_after = retry_after_seconds.map(Duration::from_secs);
                    report(app, db, &item, cause, &reason, retry_after).await?
                }
                None => None,
            };
            // Like workers that met the same: back at any time before it is over, so that not all come at once.
            let delay = spared.map_or_else(
                || delay_after(item.spec_retries),
                |spared| spared.mul_f64(rand::random()),
            );
            let cause = cause.unwrap_or(FailureCause::ModelUnavailable);
            work_items::delay_spec(db, id, delay, cause, &reason).await?
        } else {
            work_items::fail_spec(db, id, FailureCause::SpecUnusable, &reason).await?
        };
        let now = super::find(app, db, id).await?;
        let told_before = !retryable
            && now.status == WorkItemStatus::Failed
            && now.failure_cause == Some(FailureCause::SpecUnusable);
        if !changed && !told_before {
            return Err(Error::ItemState {
                now: item.status,
                asked: "ended for want of a spec",
            });
        }
        tracing::info!(work_item_id = %id, retryable, reason, "no spec was written");
        Ok((now, changed && !retryable))
    })
    .await?;
    if failed {
        metrics::transition(item.status);
    }
    Ok(item)
}

/// What the model API said is true for workers too: they must not find out one by one. Answers for how long nothing
/// asks it.
async fn report(
    app: &App,
    db: &mut PgConnection,
    item: &work_items::Locked,
    cause: FailureCause,
    reason: &str,
    retry_after: Option<Duration>,
) -> sqlx::Result<Option<Duration>> {
    let failure = breakers::Failure {
        cause,
        reason,
        retry_after,
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

/// How long the writing of a spec is put off after it was put off `before` times: the delays of the retries in order,
/// and then the last of them for as long as it takes. Nothing is given up: what can be tried again is trouble of the
/// model API and not of the item.
fn delay(retries: &RetrySchedule, before: usize, jitter: f64) -> Duration {
    let step = before.min(retries.max_retries().saturating_sub(1));
    let decisions = [
        retries.decide(FailureCause::Crash, step, jitter),
        // A schedule without retries has no delays of its own; this has one all the same.
        retries.decide(FailureCause::ModelUnavailable, 0, jitter),
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
    fn the_writing_of_a_spec_is_put_off_longer_and_longer_but_never_given_up() {
        let schedule = RetrySchedule::default();
        let delays: Vec<u64> = (0..5)
            .map(|before| delay(&schedule, before, NO_JITTER).as_secs())
            .collect();
        assert_eq!(delays, [60, 300, 1800, 1800, 1800]);
        assert_eq!(
            delay(&RetrySchedule::new([]), 0, NO_JITTER),
            Duration::from_secs(60)
        );
    }
}
