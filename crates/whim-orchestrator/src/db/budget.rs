//! The day's iterations: the truth, of which Redis has a fast copy.
//!
//! A day is a UTC day by the database's clock. Iterations count for the day on which they were first told. What live
//! workers may still use is reserved, whatever the day on which they were started.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgConnection, PgExecutor};
use whim_core::WorkerId;

/// What the day has taken so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The day.
    pub day: NaiveDate,
    /// Iterations that were used today.
    pub used: u32,
    /// Iterations that live workers may still use.
    pub reserved: u32,
    /// When the next day begins.
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

/// What today has taken so far.
pub async fn today(db: impl PgExecutor<'_>) -> sqlx::Result<Usage> {
    let row = sqlx::query!(
        r#"select day as "day!", used as "used!", reserved as "reserved!", resets_at as "resets_at!"
           from budget_today()"#
    )
    .fetch_one(db)
    .await?;
    Ok(Usage::new(row.day, row.used, row.reserved, row.resets_at))
}

/// What the day has taken so far of one repository for one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The repository, in lower case.
    pub repo: String,
    /// Who asked for it, in lower case.
    pub requested_by: Option<String>,
    /// Iterations that were used today, and those that live workers may still use.
    pub iterations: u32,
}

/// What today has taken so far, by repository and person; as many in sum as [`today`] tells.
pub async fn shares(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Share>> {
    let rows = sqlx::query!(
        r#"select lower(i.repo) as "repo!", lower(w.requested_by) as requested_by,
                  sum(taken.iterations)::bigint as "iterations!"
         from (
             select worker_id, count(*) as iterations from worker_iterations
             where day = (now() at time zone 'utc')::date
             group by worker_id
             union all
             select live.id, greatest(live.max_iterations - used.count, 0)
             from workers live
             cross join lateral (select count(*) from worker_iterations n where n.worker_id = live.id) used
             where live.status in ('starting', 'running')
         ) taken
         join workers w on w.id = taken.worker_id
         join work_items i on i.id = w.work_item_id
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

/// Iterations that a worker tells of, the first and the last included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToldIterations {
    /// The worker.
    pub worker: WorkerId,
    /// The first.
    pub first: i32,
    /// The last.
    pub last: i32,
}

/// Counts iterations, each once, however often they are told; answers how many are new. How many those may be is the
/// caller's to bound.
pub async fn record_iterations(db: &mut PgConnection, told: &[ToldIterations]) -> sqlx::Result<u32> {
    let workers: Vec<WorkerId> = told.iter().map(|told| told.worker).collect();
    let firsts: Vec<i32> = told.iter().map(|told| told.first).collect();
    let lasts: Vec<i32> = told.iter().map(|told| told.last).collect();
    let inserted = sqlx::query!(
        "insert into worker_iterations (worker_id, iteration)
         select told.worker_id, n
         from unnest($1::uuid[], $2::int[], $3::int[]) as told (worker_id, first, last),
              generate_series(told.first, told.last) as n
         on conflict do nothing",
        &workers as &[WorkerId],
        &firsts,
        &lasts,
    )
    .execute(db)
    .await?;
    Ok(u32::try_from(inserted.rows_affected()).unwrap_or(u32::MAX))
}
