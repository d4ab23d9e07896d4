//! The iterations of the day. Redis has a copy of the sums.
//!
//! Days are UTC days of the database's clock. An iteration counts for the day on which it was first reported. What live
//! workers may still use is reserved, whatever day they were started on.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgConnection, PgExecutor};
use whim_core::WorkerId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub day: NaiveDate,
    pub used: u32,
    /// Iterations that live workers may still use.
    pub reserved: u32,
    pub resets_at: DateTime<Utc>,
}

impl Usage {
    /// From the columns of `budget_today()`.
    pub(super) fn new(day: NaiveDate, used: i64, reserved: i64, resets_at: DateTime<Utc>) -> Self {
        let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            day,
            used: count(used),
            reserved: count(reserved),
            resets_at,
        }
    }
}

pub async fn today(db: impl PgExecutor<'_>) -> sqlx::Result<Usage> {
    let row = sqlx::query!(
        r#"select day as "day!", used as "used!", reserved as "reserved!", resets_at as "resets_at!"
           from budget_today()"#
    )
    .fetch_one(db)
    .await?;
    Ok(Usage::new(row.day, row.used, row.reserved, row.resets_at))
}

/// The iterations of the day for one repository and requester.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// In lower case.
    pub repo: String,
    /// In lower case.
    pub requested_by: Option<String>,
    /// Used and reserved.
    pub iterations: u32,
}

/// The iterations of the day by repository and requester; their sum is that of [`today`].
pub async fn shares(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Share>> {
    let rows = sqlx::query!(
        r#"select repo as "repo!", requested_by, sum(iterations)::bigint as "iterations!"
         from (
             select repo, requested_by, iterations from daily_usage
             where day = (now() at time zone 'utc')::date
             union all
             select lower(i.repo), lower(live.requested_by), greatest(live.max_iterations - used.count, 0)
             from workers live
             join work_items i on i.id = live.work_item_id
             cross join lateral (select count(*) from worker_iterations n where n.worker_id = live.id) used
             where live.status in ('starting', 'running')
         ) taken
         group by 1, 2"#
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Share {
            repo: row.repo,
            requested_by: row.requested_by,
            iterations: u32::try_from(row.iterations).unwrap_or(u32::MAX),
        })
        .collect())
}

/// Time until the budget resets, if a daily budget shortened the allowance of a worker; zero if it has reset since the
/// worker was started. `max_iterations` is the limit without budgets; the item may have a lower one.
pub async fn reset_of_shortened_allowance(
    db: impl PgExecutor<'_>,
    worker: WorkerId,
    max_iterations: u32,
) -> sqlx::Result<Option<Duration>> {
    let seconds = sqlx::query_scalar!(
        r#"select case
               when w.started_at at time zone 'utc' < b.day then 0
               else extract(epoch from b.resets_at - now())::float8
           end as "seconds!"
           from workers w
           join work_items i on i.id = w.work_item_id
           cross join budget_today() b
           where w.id = $1 and w.max_iterations < least(i.max_iterations, $2)"#,
        worker as WorkerId,
        max_iterations.cast_signed(),
    )
    .fetch_optional(db)
    .await?;
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}

/// Consecutive iterations that a worker reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportedIterations {
    pub worker: WorkerId,
    pub first: i32,
    pub last: i32,
}

/// Counts iterations, each once however often it is reported, and returns the number of new ones. The caller limits the
/// size of the ranges.
pub async fn record_iterations(db: &mut PgConnection, reported: &[ReportedIterations]) -> sqlx::Result<u32> {
    let workers: Vec<WorkerId> = reported.iter().map(|range| range.worker).collect();
    let firsts: Vec<i32> = reported.iter().map(|range| range.first).collect();
    let lasts: Vec<i32> = reported.iter().map(|range| range.last).collect();
    let inserted = sqlx::query!(
        "insert into worker_iterations (worker_id, iteration)
         select reported.worker_id, n
         from unnest($1::uuid[], $2::int[], $3::int[]) as reported (worker_id, first, last),
              generate_series(reported.first, reported.last) as n
         on conflict do nothing",
        &workers as &[WorkerId],
        &firsts,
        &lasts,
    )
    .execute(db)
    .await?;
    Ok(u32::try_from(inserted.rows_affected()).unwrap_or(u32::MAX))
}

/// Replaces rows of the daily usage by their sum: those of this day once a repository and requester have more than `few`,
/// and those of the day before; at most `limit` at once. Returns how many those were. Skips rows that another orchestrator
/// is compacting.
pub async fn compact_usage(db: impl PgExecutor<'_>, few: i64, limit: i64) -> sqlx::Result<u64> {
    let compacted = sqlx::query_scalar!(
        r#"with today as (select (now() at time zone 'utc')::date as day),
           keys as (
             select u.day, u.repo, u.requested_by
             from daily_usage u cross join today
             where u.day >= today.day - 1
             group by u.day, u.repo, u.requested_by, today.day
             having count(*) > case when u.day < today.day then 1 else $1::bigint end
           ),
           compacted as (
             delete from daily_usage
             where ctid = any(array(
                 select u.ctid
                 from daily_usage u
                 join keys k on k.day = u.day and k.repo = u.repo and k.requested_by is not distinct from u.requested_by
                 limit $2
                 for update of u skip locked))
             returning *
           ),
           sums as (
             insert into daily_usage
             select day, repo, requested_by, sum(iterations), sum(input_tokens), sum(output_tokens),
                    sum(cache_read_tokens), sum(cache_write_tokens), sum(cost_usd)
             from compacted group by day, repo, requested_by
           )
           select count(*) as "count!" from compacted"#,
        few,
        limit
    )
    .fetch_one(db)
    .await?;
    Ok(compacted.cast_unsigned())
}
