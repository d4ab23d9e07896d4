//! What the dispatcher has to know before it claims, in as few questions as possible.

use sqlx::PgExecutor;

use super::WORK_CHANNEL;
use super::budget::Usage;

/// A look at everything in Postgres that may stand in the way of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether anything can be claimed at all, of whatever repository.
    pub claimable: bool,
    /// Workers that take a slot.
    pub live_workers: u32,
    /// Whether a person paused the queue.
    pub paused: bool,
    /// Whether a breaker is open.
    pub breakers: bool,
}

macro_rules! look {
    ($db:expr, $more:literal) => {
        sqlx::query!(
            r#"select
                 exists (select from work_items where status = 'queued' and next_retry_at is null) as "claimable!",
                 (select count(*) from workers where status in ('starting', 'running')) as "live_workers!",
                 exists (select from queue_pause) as "paused!",
                 exists (select from breakers where opened_at is not null) as "breakers!""#
                + $more
        )
        .fetch_one($db)
        .await
        .map(|row| {
            let look = Look {
                claimable: row.claimable,
                live_workers: u32::try_from(row.live_workers).unwrap_or(u32::MAX),
                paused: row.paused,
                breakers: row.breakers,
            };
            (look, row)
        })
    };
}

/// Looks. Reads one entry of the claim's index, and small tables.
pub async fn look(db: impl PgExecutor<'_>) -> sqlx::Result<Look> {
    let (look, _row) = look!(db, "")?;
    Ok(look)
}

/// Looks, and counts what today has taken of the budget.
pub async fn look_and_count(db: impl PgExecutor<'_>) -> sqlx::Result<(Look, Usage)> {
    let (look, row) = look!(
        db,
        r#", b.day as "day!", b.used as "used!", b.reserved as "reserved!", b.resets_at as "resets_at!"
           from budget_today() b"#
    )?;
    let usage = Usage::new(row.day, row.used, row.reserved, row.resets_at);
    Ok((look, usage))
}

/// Tells every orchestrator that something may be claimable. Nothing is lost that would be worth a wait for the disk.
pub async fn notify_of_work(db: impl PgExecutor<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "select set_config('synchronous_commit', 'off', true), pg_notify($1, '')",
        WORK_CHANNEL
    )
    .fetch_one(db)
    .await?;
    Ok(())
}

/// Live workers of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    /// The repository, in lower case.
    pub repo: String,
    /// How many.
    pub workers: u32,
}

/// The repositories that have live workers.
pub async fn busy_repositories(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Busy>> {
    let rows = sqlx::query!(
        r#"select lower(i.repo) as "repo!", count(*) as "workers!"
         from workers w join work_items i on i.id = w.work_item_id
         where w.status in ('starting', 'running')
         group by 1"#
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Busy {
            repo: row.repo,
            workers: u32::try_from(row.workers).unwrap_or(u32::MAX),
        })
        .collect())
}
