//! Statistics of the queue besides its length (`counts`), cheap enough for a scrape every few seconds.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

#[derive(Clone, Debug, PartialEq)]
pub struct QueueStats {
    /// Items that wait for a time.
    pub waiting: i64,
    /// Age of the oldest claimable item.
    pub oldest_age: Option<Duration>,
    /// Time of the query.
    pub at: DateTime<Utc>,
}

/// Reads indexes only: the oldest item is the first entry of its priority.
pub async fn queue_stats(db: impl PgExecutor<'_>) -> sqlx::Result<QueueStats> {
    let row = sqlx::query!(
        r#"select
             (select count(*) from work_items where next_retry_at is not null) as "waiting!",
             (select extract(epoch from now() - min(first.queued_at))::float8
              from unnest(enum_range(null::priority)) as each (priority)
              cross join lateral (
                select queued_at from work_items
                where status = 'queued' and next_retry_at is null and priority = each.priority
                order by queued_at, id
                limit 1
              ) first) as oldest_seconds,
             now() as "at!""#
    )
    .fetch_one(db)
    .await?;
    Ok(QueueStats {
        waiting: row.waiting,
        // The database's clock may have been set back.
        oldest_age: row
            .oldest_seconds
            .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()),
        at: row.at,
    })
}
