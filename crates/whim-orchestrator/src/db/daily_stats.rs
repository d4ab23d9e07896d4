//! Statistics of the current UTC day.

use sqlx::PgPool;
use whim_core::protocol::metrics::{Durations, Metrics};
use whim_core::protocol::stats::Tokens;

use super::budget;

/// # Errors
/// Postgres is unavailable.
pub async fn today(db: &PgPool) -> sqlx::Result<Metrics> {
    let (usage, submitted, ended, used) = tokio::try_join!(
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
        sqlx::query!(
            r#"select sum(input) as "input!", sum(output) as "output!", sum(cache_read) as "cache_read!",
                      sum(cache_write) as "cache_write!", sum(cost_usd) as "cost_usd!"
               from (
                   select coalesce(sum(input_tokens), 0) as input, coalesce(sum(output_tokens), 0) as output,
                          coalesce(sum(cache_read_tokens), 0) as cache_read,
                          coalesce(sum(cache_write_tokens), 0) as cache_write, coalesce(sum(cost_usd), 0) as cost_usd
                   from daily_usage where day = (now() at time zone 'utc')::date
                   union all
                   select coalesce((stats -> 'tokens' ->> 'input')::float8, 0),
                          coalesce((stats -> 'tokens' ->> 'output')::float8, 0),
                          coalesce((stats -> 'tokens' ->> 'cacheRead')::float8, 0),
                          coalesce((stats -> 'tokens' ->> 'cacheWrite')::float8, 0),
                          coalesce((stats ->> 'costUsd')::float8, 0)
                   from workers w join worker_heartbeats b on b.worker_id = w.id
                   where w.status in ('starting', 'running')
               ) parts"#
        )
        .fetch_one(db),
    )?;
    let ended_by_work = ended.completed + ended.failed;
    Ok(Metrics {
        day: usage.day,
        resets_at: usage.resets_at,
        submitted: submitted.cast_unsigned(),
        completed: ended.completed.cast_unsigned(),
        failed: ended.failed.cast_unsigned(),
        cancelled: ended.cancelled.cast_unsigned(),
        success_rate: (ended_by_work > 0).then(|| ended.completed as f64 / ended_by_work as f64),
        durations: Durations {
            average_seconds: ended.average_seconds,
            median_seconds: ended.median_seconds,
            p95_seconds: ended.p95_seconds,
        },
        iterations: usage.used,
        // These conversions saturate.
        tokens: Tokens {
            input: used.input as u64,
            output: used.output as u64,
            cache_read: used.cache_read as u64,
            cache_write: used.cache_write as u64,
        },
        cost_usd: used.cost_usd,
    })
}
