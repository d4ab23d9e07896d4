//! Usage by day and repository.

use chrono::{Days, NaiveDate};
use sqlx::PgPool;
use whim_core::RepoName;
use whim_core::protocol::metrics::{DailyDurations, DailyUsage, DailyUsageReport, Durations};
use whim_core::protocol::stats::Tokens;

/// Limit of the rows of one report.
const MAX_ROWS: usize = 10_000;

/// The current UTC day by the clock of the database.
///
/// # Errors
/// Postgres is unavailable.
pub async fn current_day(db: &PgPool) -> sqlx::Result<NaiveDate> {
    sqlx::query_scalar!(r#"select (now() at time zone 'utc')::date as "day!""#)
        .fetch_one(db)
        .await
}

/// The usage from `from` to `to`, both included.
///
/// # Errors
/// Postgres is unavailable.
pub async fn report(
    db: &PgPool,
    (from, to): (NaiveDate, NaiveDate),
    repo: Option<&RepoName>,
) -> sqlx::Result<DailyUsageReport> {
    let after = to.checked_add_days(Days::new(1)).unwrap_or(to);
    let rows = sqlx::query!(
        r#"select day as "day!", repo as "repo!: RepoName", sum(submitted)::bigint as "submitted!",
                  sum(completed)::bigint as "completed!", sum(failed)::bigint as "failed!",
                  sum(cancelled)::bigint as "cancelled!", sum(iterations)::bigint as "iterations!",
                  sum(input) as "input!", sum(output) as "output!", sum(cache_read) as "cache_read!",
                  sum(cache_write) as "cache_write!", sum(cost_usd) as "cost_usd!"
           from (
               select day, repo, 0 as submitted, 0 as completed, 0 as failed, 0 as cancelled, iterations,
                      input_tokens as input, output_tokens as output, cache_read_tokens as cache_read,
                      cache_write_tokens as cache_write, cost_usd
               from daily_usage
               where day >= $1 and day < $2 and ($3::text is null or repo = lower($3))
               union all
               select (created_at at time zone 'utc')::date, lower(repo), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
               from work_items
               where created_at >= $1::timestamp at time zone 'utc' and created_at < $2::timestamp at time zone 'utc'
                 and ($3::text is null or lower(repo) = lower($3))
               union all
               select (ended_at at time zone 'utc')::date, lower(repo), 0, (status = 'completed')::int,
                      (status = 'failed')::int, (status = 'cancelled')::int, 0, 0, 0, 0, 0, 0
               from work_items
               where ended_at >= $1::timestamp at time zone 'utc' and ended_at < $2::timestamp at time zone 'utc'
                 and ($3::text is null or lower(repo) = lower($3))
           ) parts
           group by day, repo
           order by day desc, repo
           limit $4"#,
        from,
        after,
        repo.map(RepoName::as_str),
        MAX_ROWS as i64 + 1,
    )
    .fetch_all(db)
    .await?;
    let truncated = rows.len() > MAX_ROWS;
    let items = rows.into_iter().take(MAX_ROWS).map(|row| DailyUsage {
        day: row.day,
        repo: row.repo,
        submitted: row.submitted.cast_unsigned(),
        completed: row.completed.cast_unsigned(),
        failed: row.failed.cast_unsigned(),
        cancelled: row.cancelled.cast_unsigned(),
        iterations: row.iterations.cast_unsigned(),
        // These conversions saturate.
        tokens: Tokens {
            input: row.input as u64,
            output: row.output as u64,
            cache_read: row.cache_read as u64,
            cache_write: row.cache_write as u64,
        },
        cost_usd: row.cost_usd,
    });
    Ok(DailyUsageReport {
        from,
        to,
        items: items.collect(),
        truncated,
        durations: durations(db, (from, after), repo).await?,
    })
}

/// Durations of the attempts that ended from `from` to the day before `end`.
async fn durations(
    db: &PgPool,
    (from, end): (NaiveDate, NaiveDate),
    repo: Option<&RepoName>,
) -> sqlx::Result<Vec<DailyDurations>> {
    let days = sqlx::query!(
        r#"select day as "day!", avg(ran) as ran_average, avg(waited) as waited_average,
                  percentile_cont(array[0.5, 0.95]) within group (order by ran) as "ran: Vec<f64>",
                  percentile_cont(array[0.5, 0.95]) within group (order by waited) as "waited: Vec<f64>"
           from (
               select (w.ended_at at time zone 'utc')::date as day, w.waited_seconds as waited,
                      case when w.status = 'completed' then extract(epoch from w.ended_at - w.started_at)::float8 end
                          as ran
               from workers w
               where w.ended_at >= $1::date::timestamp at time zone 'utc' and w.ended_at < $2::date::timestamp at time zone 'utc'
                 and ($3::text is null
                      or exists (select from work_items i where i.id = w.work_item_id and lower(i.repo) = lower($3)))
           ) ended
           group by day
           order by day desc"#,
        from,
        end,
        repo.map(RepoName::as_str),
    )
    .fetch_all(db)
    .await?;
    let of = |average, percentiles: Option<Vec<f64>>| {
        let percentiles = percentiles.unwrap_or_default();
        Durations {
            average_seconds: average,
            median_seconds: percentiles.first().copied(),
            p95_seconds: percentiles.get(1).copied(),
        }
    };
    let days = days.into_iter().map(|row| DailyDurations {
        day: row.day,
        attempts: of(row.ran_average, row.ran),
        queue_wait: of(row.waited_average, row.waited),
    });
    Ok(days.collect())
}
