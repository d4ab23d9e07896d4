//! What today has brought.

use sqlx::PgPool;
use whim_core::protocol::metrics::{Durations, Metrics, Tokens};

use super::budget;

/// Counts what today has brought.
pub async fn today(db: &PgPool) -> sqlx::Result<Metrics> {
    let (usage, submitted, ended, spent) = tokio::try_join!(
        budget::today(db),
        sqlx::query_scalar!(
            r#"select count(*) as "count!" from work_items
               where created_at >= date_trunc('day', now() at time zone 'utc') at time zone 'utc'"#
        )
        .fetch_one(db),
        sqlx::query!(
            r#"select count(*) filter (where status = 'completed') as "completed!",
                      count(*) filter (where status = 'failed') as "failed!",
                      count(*) filter (where status = 'cancelled') as "cancelled!",
                      avg(seconds) filter (where status = 'completed') as average_seconds,
                      percentile_cont(0.5) within group (order by seconds)
                          filter (where status = 'completed') as median_seconds,
                      percentile_cont(0.95) within group (order by seconds)
                          filter (where status = 'completed') as p95_seconds
               from (select status, extract(epoch from ended_at - started_at)::float8 as seconds
                     from work_items
                     where ended_at >= date_trunc('day', now() at time zone 'utc') at time zone 'utc') ended"#
        )
        .fetch_one(db),
        // Floating point, because a harness may report any number and no sum must fail.
        sqlx::query!(
            r#"select coalesce(sum((stats -> 'tokens' ->> 'in')::float8), 0) as "input!",
                      coalesce(sum((stats -> 'tokens' ->> 'out')::float8), 0) as "output!",
                      coalesce(sum((stats -> 'tokens' ->> 'cache_read')::float8), 0) as "cache_read!",
                      coalesce(sum((stats -> 'tokens' ->> 'cache_write')::float8), 0) as "cache_write!",
                      coalesce(sum((stats ->> 'cost_usd')::float8), 0) as "cost_usd!"
               from workers w join worker_heartbeats b on b.worker_id = w.id
               where w.status in ('starting', 'running')
                  or w.ended_at >= date_trunc('day', now() at time zone 'utc') at time zone 'utc'"#
        )
        .fetch_one(db),
    )?;
    let decided = ended.completed + ended.failed;
    Ok(Metrics {
        day: usage.day,
        resets_at: usage.resets_at,
        submitted: submitted.cast_unsigned(),
        completed: ended.completed.cast_unsigned(),
        failed: ended.failed.cast_unsigned(),
        cancelled: ended.cancelled.cast_unsigned(),
        success_rate: (decided > 0).then(|| ended.completed as f64 / decided as f64),
        durations: Durations {
            average_seconds: ended.average_seconds,
            median_seconds: ended.median_seconds,
            p95_seconds: ended.p95_seconds,
        },
        iterations: usage.used,
        // Such a conversion saturates.
        tokens: Tokens {
            input: spent.input as u64,
            output: spent.output as u64,
            cache_read: spent.cache_read as u64,
            cache_write: spent.cache_write as u64,
        },
        cost_usd: spent.cost_usd,
    })
}
