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
        "insert into worker_iterations (worker_id, n)
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
