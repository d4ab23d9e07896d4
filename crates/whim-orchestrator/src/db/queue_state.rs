//! The data that admission reads before a claim, in as few round trips as possible.

use std::collections::BTreeMap;

use sqlx::PgExecutor;

use super::WORK_CHANNEL;
use super::budget::Usage;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueState {
    /// Whether an item is claimable, in any repository.
    pub claimable: bool,
    /// Workers that take a slot.
    pub live_workers: u32,
    pub paused: bool,
    /// Whether a breaker is open.
    pub breakers: bool,
}

macro_rules! queue_state {
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
            let state = QueueState {
                claimable: row.claimable,
                live_workers: u32::try_from(row.live_workers).unwrap_or(u32::MAX),
                paused: row.paused,
                breakers: row.breakers,
            };
            (state, row)
        })
    };
}

/// Reads one entry of the claim's index, and small tables.
pub async fn queue_state(db: impl PgExecutor<'_>) -> sqlx::Result<QueueState> {
    let (state, _row) = queue_state!(db, "")?;
    Ok(state)
}

/// The same, with the iterations of the day.
pub async fn queue_state_and_usage(db: impl PgExecutor<'_>) -> sqlx::Result<(QueueState, Usage)> {
    let (state, row) = queue_state!(
        db,
        r#", b.day as "day!", b.used as "used!", b.reserved as "reserved!", b.resets_at as "resets_at!"
           from budget_today() b"#
    )?;
    let usage = Usage::new(row.day, row.used, row.reserved, row.resets_at);
    Ok((state, usage))
}

/// Notifies every orchestrator that an item may be claimable. Nothing is written, so the commit waits for no disk flush.
pub async fn notify_of_work(db: impl PgExecutor<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "select set_config('synchronous_commit', 'off', true), pg_notify($1, '')",
        WORK_CHANNEL
    )
    .fetch_one(db)
    .await?;
    Ok(())
}

/// Number of live workers of each repository (in lower case) that has any.
pub async fn workers_by_repository(db: impl PgExecutor<'_>) -> sqlx::Result<BTreeMap<String, u32>> {
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
        .map(|row| (row.repo, u32::try_from(row.workers).unwrap_or(u32::MAX)))
        .collect())
}
