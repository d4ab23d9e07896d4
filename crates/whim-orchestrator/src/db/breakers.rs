//! Rows of the circuit breakers.
//!
//! A transaction that reports a failure locks the rows of its item and worker first and those of breakers last, in the
//! order of their key.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use whim_core::protocol::status::BreakerSubject;
use whim_core::{FailureCause, RepoName, WorkItemId, WorkerId};

use super::WORK_CHANNEL;

/// A failure that counts against a breaker.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    pub subject: BreakerSubject,
    /// Distinguishes breakers of one subject; empty for GitHub.
    pub name: &'a str,
    pub cause: FailureCause,
    pub reason: &'a str,
    pub item: WorkItemId,
    /// In lower case.
    pub repository: &'a str,
}

/// Consecutive failures of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Failures, without those that were reported while the breaker was open.
    pub failures: u32,
    /// Different items among the latest failures.
    pub items: usize,
    /// Different repositories among the latest failures.
    pub repositories: usize,
    pub open: bool,
}

/// Whether another worker than `reporter` is probing; locks the breaker until the end of the transaction.
pub async fn is_probed_by_another(
    db: impl PgExecutor<'_>,
    subject: BreakerSubject,
    name: &str,
    reporter: Option<WorkerId>,
) -> sqlx::Result<bool> {
    let probed = sqlx::query_scalar!(
        r#"select exists (select from workers w
                       where w.id = b.probe_worker_id and w.status in ('starting', 'running')
                         and w.id is distinct from $3) as "probed!"
         from breakers b
         where b.subject = $1 and b.name = $2 and b.opened_at is not null
         for update of b"#,
        subject as BreakerSubject,
        name,
        reporter as Option<WorkerId>,
    )
    .fetch_optional(db)
    .await?;
    Ok(probed.unwrap_or_default())
}

/// Counts a failure, and locks the breaker until the end of the transaction. An expired breaker starts over.
pub async fn report(db: &mut PgConnection, report: &Report<'_>) -> sqlx::Result<Counted> {
    let row = sqlx::query_file!(
        "src/db/report_breaker_failure.sql",
        report.subject as BreakerSubject,
        report.name,
        report.cause as FailureCause,
        report.reason,
        report.item as WorkItemId,
        report.repository,
    )
    .fetch_one(db)
    .await?;
    let count = |number: i32| usize::try_from(number).unwrap_or_default();
    Ok(Counted {
        failures: row.failures.cast_unsigned(),
        items: count(row.items),
        repositories: count(row.repositories),
        open: row.open,
    })
}

/// Opens a breaker, or extends the time of an open one, and returns the time until it expires or is probed.
pub async fn open(
    db: &mut PgConnection,
    report: &Report<'_>,
    duration: Duration,
    has_fixed_expiry: bool,
) -> sqlx::Result<Duration> {
    let seconds = sqlx::query_scalar!(
        r#"update breakers
         set opened_at = coalesce(opened_at, now()), has_fixed_expiry = has_fixed_expiry or $4,
             retry_at = greatest(retry_at, now() + make_interval(secs => $3))
         where subject = $1 and name = $2
         returning extract(epoch from retry_at - now())::float8 as "seconds!""#,
        report.subject as BreakerSubject,
        report.name,
        duration.as_secs_f64(),
        has_fixed_expiry,
    )
    .fetch_one(db)
    .await?;
    Ok(from_seconds(seconds))
}

/// An open or half-open breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    pub subject: BreakerSubject,
    /// Distinguishes breakers of one subject; empty for GitHub.
    pub name: String,
    /// Of the latest failure.
    pub cause: FailureCause,
    pub reason: String,
    /// Consecutive failures.
    pub failures: u32,
    pub since: DateTime<Utc>,
    /// When it expires or is probed.
    pub retry_at: DateTime<Utc>,
    /// Time until `retry_at`; zero when a probe is due.
    pub remaining: Duration,
    /// Whether it closes at `retry_at`, without a probe.
    pub has_fixed_expiry: bool,
    /// Whether a worker is probing.
    pub half_open: bool,
    /// The latest items that failed; probes prefer others.
    pub items: Vec<WorkItemId>,
}

/// The open breakers, shared ones first.
pub async fn list_open(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Open>> {
    let rows = sqlx::query!(
        r#"select subject, name, cause, reason, failures, opened_at as "since!", retry_at as "retry_at!", has_fixed_expiry,
                  extract(epoch from retry_at - now())::float8 as "remaining!",
                  exists (select from workers w
                          where w.id = b.probe_worker_id and w.status in ('starting', 'running')) as "half_open!",
                  item_ids as "items: Vec<WorkItemId>"
         from breakers b
         where opened_at is not null and not (has_fixed_expiry and retry_at <= now())
         order by subject, name"#
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Open {
            subject: row.subject,
            name: row.name,
            cause: row.cause,
            reason: row.reason,
            failures: row.failures.cast_unsigned(),
            since: row.since,
            retry_at: row.retry_at,
            remaining: from_seconds(row.remaining),
            has_fixed_expiry: row.has_fixed_expiry,
            half_open: row.half_open,
            items: row.items,
        })
        .collect())
}

/// Makes a claimed worker the probe of every open breaker that is due and that it depends on.
pub async fn begin_probes(
    db: &mut PgConnection,
    worker: WorkerId,
    credential: &str,
    instance: &str,
    repo: &RepoName,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with due as (
             select subject, name from breakers
             where opened_at is not null and retry_at <= now() and not has_fixed_expiry
               and case subject
                   when 'model' then name = $2
                   when 'github' then true
                   when 'runtime' then name = $3
                   when 'repository' then name = lower($4)
                   end
             order by subject, name
             for update
         )
         update breakers b set probe_worker_id = $1
         from due where b.subject = due.subject and b.name = due.name",
        worker as WorkerId,
        credential,
        instance,
        repo.as_str(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A breaker that was closed or is to be probed early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub subject: BreakerSubject,
    pub name: String,
}

/// Closes expired breakers and those whose subject works again. `credential` is the one that workers use.
pub async fn close_recovered(db: &mut PgConnection, credential: &str) -> sqlx::Result<Vec<Key>> {
    sqlx::query_file_as!(Key, "src/db/close_recovered_breakers.sql", credential)
        .fetch_all(db)
        .await
}

/// Closes the model's breaker of that name if its probe is due.
pub async fn close_probed_model(db: &mut PgConnection, name: &str) -> sqlx::Result<Vec<Key>> {
    sqlx::query_as!(
        Key,
        "delete from breakers where subject = 'model' and name = $1 and retry_at <= now() returning subject, name",
        name
    )
    .fetch_all(db)
    .await
}

/// Closes the breaker of a runtime that could not start workers.
pub async fn close_started_runtime(db: &mut PgConnection, instance: &str) -> sqlx::Result<Vec<Key>> {
    sqlx::query_as!(
        Key,
        "delete from breakers where subject = 'runtime' and name = $1 and cause = 'runtime_unavailable'
         returning subject, name",
        instance
    )
    .fetch_all(db)
    .await
}

/// Deletes the model's breakers of other credentials than these: nothing would ever probe them.
pub async fn delete_unused_credentials(db: &mut PgConnection, used: &[String]) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from breakers where subject = 'model' and name <> all($1)",
        used
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Which breakers are to be probed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeNow<'a> {
    All,
    RefusedCredentials,
    /// The runtime of this instance, if it could not start workers.
    Runtime(&'a str),
}

/// Makes the probe of open breakers due at once.
pub async fn probe_now(db: &mut PgConnection, which: ProbeNow<'_>) -> sqlx::Result<Vec<Key>> {
    let instance = match which {
        ProbeNow::Runtime(instance) => Some(instance),
        ProbeNow::All | ProbeNow::RefusedCredentials => None,
    };
    sqlx::query_as!(
        Key,
        "with chosen as (
             select subject, name from breakers
             where opened_at is not null and retry_at > now()
               and ($1 or ($2 and cause in ('model_refused', 'github_refused'))
                    or (subject = 'runtime' and name = $3 and cause = 'runtime_unavailable'))
             order by subject, name
             for update
         )
         update breakers b set retry_at = now(), has_fixed_expiry = false
         from chosen where b.subject = chosen.subject and b.name = chosen.name
         returning b.subject, b.name",
        which == ProbeNow::All,
        which == ProbeNow::RefusedCredentials,
        instance
    )
    .fetch_all(db)
    .await
}

/// Which calls of the model API use the credential of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialUse {
    pub workers: bool,
    pub specs: bool,
}

/// Ends the backoff of the items that a breaker deferred: the first at once, the others in queue order within `spread`.
pub async fn release_deferred(
    db: &mut PgConnection,
    key: &Key,
    used_by: CredentialUse,
    spread: Duration,
) -> sqlx::Result<u64> {
    let released = sqlx::query_file!(
        "src/db/release_deferred_items.sql",
        key.subject as BreakerSubject,
        key.name,
        used_by.workers,
        used_by.specs,
        spread.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(released.rows_affected())
}

/// Wakes every dispatcher at the commit.
pub async fn wake_dispatchers(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("select pg_notify($1, '')", WORK_CHANNEL)
        .execute(db)
        .await?;
    Ok(())
}

fn from_seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
