//! Breakers: what failed too often, and is spared for a time.
//!
//! A report takes the row of its breaker last, after those of the item and the worker; nothing is waited for under it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use whim_core::protocol::status::BreakerSubject;
use whim_core::{FailureCause, RepoName, WorkItemId, WorkerId};

use super::WORK_CHANNEL;

/// A failure that says something about more than its item.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What failed.
    pub subject: BreakerSubject,
    /// Which of them; empty where there is only one.
    pub name: &'a str,
    /// Why, for a program.
    pub cause: FailureCause,
    /// Why, for a person.
    pub reason: &'a str,
    /// Whose attempt it was.
    pub item: WorkItemId,
}

/// What was reported of a subject in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Reports, without those that came while it was open.
    pub failures: u32,
    /// Different items that told; from a handful on it may be more.
    pub items: usize,
    /// Whether it is open already.
    pub open: bool,
}

/// Whether somebody else than `reporter` tries the subject just now; locks the breaker until the end of the transaction.
pub async fn is_tried_by_another(
    db: impl PgExecutor<'_>,
    subject: BreakerSubject,
    name: &str,
    reporter: Option<WorkerId>,
) -> sqlx::Result<bool> {
    let tried = sqlx::query_scalar!(
        r#"select exists (select from workers w
                       where w.id = b.probe_worker_id and w.status in ('starting', 'running')
                         and w.id is distinct from $3) as "tried!"
         from breakers b
         where b.subject = $1 and b.name = $2 and b.opened_at is not null
         for update of b"#,
        subject as BreakerSubject,
        name,
        reporter as Option<WorkerId>,
    )
    .fetch_optional(db)
    .await?;
    Ok(tried.unwrap_or_default())
}

/// Counts a report, and locks the breaker until the end of the transaction. One whose end had come begins anew.
pub async fn report(db: &mut PgConnection, report: &Report<'_>) -> sqlx::Result<Counted> {
    let row = sqlx::query!(
        r#"insert into breakers as b (subject, name, cause, reason, failures, item_ids)
         values ($1, $2, $3, $4, 1, array[$5::uuid])
         on conflict (subject, name) do update set
             cause = excluded.cause, reason = excluded.reason, failed_at = now(), probe_worker_id = null,
             failures = case when b.has_fixed_expiry and b.retry_at <= now() then 1
                            when b.retry_at > now() then b.failures
                            else b.failures + 1 end,
             item_ids = case when b.has_fixed_expiry and b.retry_at <= now() then excluded.item_ids
                          when $5 = any(b.item_ids) or cardinality(b.item_ids) >= 8 then b.item_ids
                          else b.item_ids || $5 end,
             opened_at = case when b.has_fixed_expiry and b.retry_at <= now() then null else b.opened_at end,
             retry_at = case when b.has_fixed_expiry and b.retry_at <= now() then null else b.retry_at end,
             has_fixed_expiry = b.has_fixed_expiry and b.retry_at > now()
         returning failures, cardinality(item_ids) as "items!", opened_at is not null as "open!""#,
        report.subject as BreakerSubject,
        report.name,
        report.cause as FailureCause,
        report.reason,
        report.item as WorkItemId,
    )
    .fetch_one(db)
    .await?;
    Ok(Counted {
        failures: row.failures.cast_unsigned(),
        items: usize::try_from(row.items).unwrap_or_default(),
        open: row.open,
    })
}

/// Opens a breaker that was reported to, or keeps it open longer, never shorter; answers how long that is from now on.
pub async fn open(
    db: &mut PgConnection,
    report: &Report<'_>,
    lasts: Duration,
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
        lasts.as_secs_f64(),
        has_fixed_expiry,
    )
    .fetch_one(db)
    .await?;
    Ok(seconds_from_now(seconds))
}

/// An open breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// What it spares.
    pub subject: BreakerSubject,
    /// Which of them; empty where there is only one.
    pub name: String,
    /// Why, for a program.
    pub cause: FailureCause,
    /// Why, for a person.
    pub reason: String,
    /// Reports in a row.
    pub failures: u32,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when nothing starts.
    pub retry_at: DateTime<Utc>,
    /// How long that is from now on; zero when it may be tried.
    pub left: Duration,
    /// Whether it is over then.
    pub has_fixed_expiry: bool,
    /// Whether a worker is trying now.
    pub half_open: bool,
}

/// The breakers that are open, those that concern everything first.
pub async fn open_ones(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Open>> {
    let rows = sqlx::query!(
        r#"select subject, name, cause, reason, failures, opened_at as "since!", retry_at as "retry_at!", has_fixed_expiry,
                  extract(epoch from retry_at - now())::float8 as "left!",
                  exists (select from workers w
                          where w.id = b.probe_worker_id and w.status in ('starting', 'running')) as "half_open!"
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
            left: seconds_from_now(row.left),
            has_fixed_expiry: row.has_fixed_expiry,
            half_open: row.half_open,
        })
        .collect())
}

/// A worker that was claimed for tries every open breaker that concerns it.
pub async fn begin_probes(
    db: &mut PgConnection,
    worker: WorkerId,
    instance: &str,
    repo: &RepoName,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update breakers set probe_worker_id = $1
         where opened_at is not null and retry_at <= now() and not has_fixed_expiry
           and (subject in ('model', 'github') or (subject = 'runtime' and name = $2)
                or (subject = 'repository' and name = lower($3)))",
        worker as WorkerId,
        instance,
        repo.as_str(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Closes the breakers whose end has come, and those whose subject is seen to work: a worker that was started after
/// the latest report got from it what it is for. Answers what was closed.
pub async fn close_what_works(db: &mut PgConnection) -> sqlx::Result<Vec<(BreakerSubject, String)>> {
    let rows = sqlx::query_file!("src/db/close_what_works.sql")
        .fetch_all(&mut *db)
        .await?;
    if !rows.is_empty() {
        wake_dispatchers(db).await?;
    }
    Ok(rows.into_iter().map(|row| (row.subject, row.name)).collect())
}

/// Closes the breaker of the model where it may be tried; answers whether there was one.
pub async fn close_tried_model(db: &mut PgConnection) -> sqlx::Result<bool> {
    let closed = sqlx::query!("delete from breakers where subject = 'model' and retry_at <= now()")
        .execute(&mut *db)
        .await?;
    let closed = closed.rows_affected() > 0;
    if closed {
        wake_dispatchers(db).await?;
    }
    Ok(closed)
}

/// A worker could be started: what says that none can is closed.
pub async fn runtime_starts(db: impl PgExecutor<'_>, instance: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from breakers where subject = 'runtime' and name = $1 and cause = 'runtime_unavailable'",
        instance
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Which breakers are to be tried at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryNow<'a> {
    /// All of them: a person says so.
    All,
    /// Those of credentials that were refused.
    RefusedCredentials,
    /// That of the runtime of this instance, if it was away.
    Runtime(&'a str),
}

/// Lets one worker try at once, whatever was said about when; answers how many breakers those are.
pub async fn try_now(db: &mut PgConnection, which: TryNow<'_>) -> sqlx::Result<u64> {
    let instance = match which {
        TryNow::Runtime(instance) => Some(instance),
        TryNow::All | TryNow::RefusedCredentials => None,
    };
    let changed = sqlx::query!(
        "update breakers set retry_at = now(), has_fixed_expiry = false
         where opened_at is not null and retry_at > now()
           and ($1 or ($2 and cause in ('model_refused', 'github_refused'))
                or (subject = 'runtime' and name = $3 and cause = 'runtime_unavailable'))",
        which == TryNow::All,
        which == TryNow::RefusedCredentials,
        instance
    )
    .execute(&mut *db)
    .await?;
    if changed.rows_affected() > 0 {
        wake_dispatchers(db).await?;
    }
    Ok(changed.rows_affected())
}

async fn wake_dispatchers(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("select pg_notify($1, '')", WORK_CHANNEL)
        .execute(db)
        .await?;
    Ok(())
}

fn seconds_from_now(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
