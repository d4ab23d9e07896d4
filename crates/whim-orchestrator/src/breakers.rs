//! Circuit breakers: after failures that no item caused, items are not all retried.
//!
//! A failed attempt counts against a subject: the model API with one credential, GitHub, a runtime, a repository. A
//! failure that every other item would meet too opens the breaker at once, others after several in a row. While a
//! breaker is open, nothing that depends on its subject is started. One with a known reset time, such as a usage limit,
//! closes then. Every other one becomes half-open after a backoff: one worker probes, and its progress closes the
//! breaker. Closing it releases the items that it deferred.

mod failure;
mod messages;
mod open;
mod probe_delay;

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use whim_core::RetryRule;
use whim_service::chain::chain;

pub(crate) use self::failure::Failure;
use self::failure::Target;
pub(crate) use self::messages::{credential_advice, describe};
pub(crate) use self::open::OpenBreakers;
use self::probe_delay::probe_delay;
use crate::config::{BreakersConfig, Config};
use crate::db::breakers::{self as rows, CredentialUse, Key, ProbeNow};
use crate::db::in_transaction;

/// Limit for the shown part of a reason, in bytes.
const SHOWN_REASON_BYTES: usize = 300;

/// The credential with which the intake generates specs, by the name of its setting.
pub(crate) const SPEC_CREDENTIAL: &str = "ANTHROPIC_API_KEY";

/// The credential with which workers call the model API, by the name of its setting.
pub(crate) fn worker_credential(config: &Config) -> &'static str {
    config.worker.access.model_credential_name()
}

/// Counts a failure, and returns how long nothing that needs the failed subject is started; `None` if that is allowed.
pub(crate) async fn report(
    db: &mut PgConnection,
    config: &BreakersConfig,
    failure: &Failure<'_>,
) -> sqlx::Result<Option<Duration>> {
    let repository = failure.repo.as_str().to_ascii_lowercase();
    let mut blocked = None;
    for target in failure.targets(&repository) {
        blocked = blocked.max(report_to(&mut *db, config, failure, target, &repository).await?);
    }
    Ok(blocked)
}

async fn report_to(
    db: &mut PgConnection,
    config: &BreakersConfig,
    failure: &Failure<'_>,
    target: Target<'_>,
    repository: &str,
) -> sqlx::Result<Option<Duration>> {
    let Target { subject, name } = target;
    // The attempt began before the probe, whose result will be newer. Only a reset time is news.
    if failure.retry_after.is_none()
        && rows::is_probed_by_another(&mut *db, subject, name, failure.worker).await?
    {
        return Ok(Some(Duration::ZERO));
    }
    let report = rows::Report {
        subject,
        name,
        cause: failure.cause,
        reason: first_line(failure.reason),
        item: failure.item,
        repository,
    };
    let counted = rows::report(&mut *db, &report).await?;
    if !(counted.open || failure.opens(subject, counted, config.threshold)) {
        return Ok(None);
    }
    let reset = failure
        .retry_after
        .filter(|_| failure.cause.retry_rule() == RetryRule::WaitWithoutSpending);
    let duration = match reset {
        Some(reset) => reset.min(config.max_wait) + config.jitter.mul_f64(rand::random()),
        None => probe_delay(config, subject, failure.cause, counted.failures, rand::random()),
    };
    let remaining = rows::open(db, &report, duration, reset.is_some()).await?;
    tracing::warn!(
        subject = subject.as_str(), name, cause = %failure.cause, reason = report.reason,
        seconds = remaining.as_secs_f64(), "circuit breaker open"
    );
    Ok(Some(remaining))
}

/// Closes the breakers that have expired or whose subject works again, and returns their number.
pub(crate) async fn close_recovered(pool: &PgPool, config: &Config) -> sqlx::Result<usize> {
    in_transaction(pool, async |db| {
        let closed = rows::close_recovered(&mut *db, worker_credential(config)).await?;
        log_closed(&closed);
        release(db, config, &closed).await?;
        Ok(closed.len())
    })
    .await
}

/// Closes the breaker of the model if a spec was generated as its probe.
pub(crate) async fn spec_generated(db: &mut PgConnection, config: &Config) -> sqlx::Result<()> {
    let closed = rows::close_probed_model(&mut *db, SPEC_CREDENTIAL).await?;
    log_closed(&closed);
    release(db, config, &closed).await
}

/// Closes the breaker of a runtime that could not start workers, because it started one.
pub(crate) async fn worker_started(pool: &PgPool, config: &Config, instance: &str) -> sqlx::Result<()> {
    in_transaction(pool, async |db| {
        let closed = rows::close_started_runtime(&mut *db, instance).await?;
        log_closed(&closed);
        release(db, config, &closed).await
    })
    .await
}

/// Probes every open breaker at once, whatever its reset time, and returns their number.
pub(crate) async fn probe_all(db: &mut PgConnection, config: &Config) -> sqlx::Result<usize> {
    probe_now(db, config, ProbeNow::All).await
}

/// Probes the runtime of this instance at once, because it is available again.
pub(crate) async fn probe_runtime(pool: &PgPool, config: &Config, instance: &str) -> sqlx::Result<()> {
    let probed = in_transaction(pool, async |db| {
        probe_now(db, config, ProbeNow::Runtime(instance)).await
    });
    if probed.await? > 0 {
        tracing::info!(instance, "the runtime is available again and is probed");
    }
    Ok(())
}

/// Probes rejected credentials at once when the program starts: the operator may have replaced them.
pub(crate) async fn probe_refused_credentials(pool: &PgPool, config: &Config) {
    let used = [SPEC_CREDENTIAL, worker_credential(config)].map(str::to_owned);
    let probed = in_transaction(pool, async |db| {
        rows::delete_unused_credentials(&mut *db, &used).await?;
        probe_now(db, config, ProbeNow::RefusedCredentials).await
    });
    if let Err(error) = probed.await {
        let error = chain(&error);
        tracing::warn!(%error, "failed to probe rejected credentials; they are probed at their retry time");
    }
}

async fn probe_now(db: &mut PgConnection, config: &Config, which: ProbeNow<'_>) -> sqlx::Result<usize> {
    let probed = rows::probe_now(&mut *db, which).await?;
    // Without an item that is claimable there would be no probe.
    release(db, config, &probed).await?;
    Ok(probed.len())
}

/// Ends the backoff of items that these breakers deferred. They come back spread, so that a service that has just
/// recovered is not called by all of them at once.
async fn release(db: &mut PgConnection, config: &Config, keys: &[Key]) -> sqlx::Result<()> {
    for key in keys {
        let used_by = CredentialUse {
            workers: key.name == worker_credential(config),
            specs: key.name == SPEC_CREDENTIAL,
        };
        let released = rows::release_deferred(&mut *db, key, used_by, config.breakers.jitter).await?;
        if released > 0 {
            tracing::info!(
                subject = key.subject.as_str(),
                name = key.name,
                released,
                "deferred items released"
            );
        }
    }
    if !keys.is_empty() {
        rows::wake_dispatchers(db).await?;
    }
    Ok(())
}

fn log_closed(closed: &[Key]) {
    for Key { subject, name } in closed {
        tracing::info!(subject = subject.as_str(), name, "circuit breaker closed");
    }
}

/// A reason may have many lines, written by an agent.
fn first_line(reason: &str) -> &str {
    let line = reason.trim().lines().next().unwrap_or_default();
    &line[..line.floor_char_boundary(SHOWN_REASON_BYTES)]
}
