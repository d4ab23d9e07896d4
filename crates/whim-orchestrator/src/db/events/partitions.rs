//! The days of the history: each has a partition of its own, made ahead and dropped as a whole.

use chrono::NaiveDate;
use sqlx::{PgExecutor, PgPool};

/// The days that there are, and those that have to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Today, by the database.
    pub today: NaiveDate,
    /// Days with a partition, the oldest first.
    pub kept: Vec<NaiveDate>,
    /// Days of what lies in the default partition, the oldest first.
    pub stranded: Vec<NaiveDate>,
}

/// Looks which days there are.
pub async fn calendar(db: &PgPool) -> sqlx::Result<Calendar> {
    let today = sqlx::query_scalar!(r#"select (now() at time zone 'utc')::date as "today!""#)
        .fetch_one(db)
        .await?;
    let names = sqlx::query_scalar!(
        r#"select c.relname::text as "name!" from pg_inherits h join pg_class c on c.oid = h.inhrelid
           where h.inhparent = 'events'::regclass order by c.relname"#
    )
    .fetch_all(db)
    .await?;
    let stranded = sqlx::query_scalar!(
        r#"select distinct (recorded_at at time zone 'utc')::date as "day!" from events_default order by 1"#
    )
    .fetch_all(db)
    .await?;
    Ok(Calendar {
        today,
        kept: names.iter().filter_map(|name| day_of(name)).collect(),
        stranded,
    })
}

/// Makes the partition of a day and moves there what landed in the default partition; `false` when another
/// orchestrator has made it. Whoever reads or writes events waits for a moment.
///
/// # Errors
/// Postgres is away, or it was not this one's turn in time.
pub async fn make(db: impl PgExecutor<'_>, day: NaiveDate) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select create_event_partition($1) as "made!""#, day)
        .fetch_one(db)
        .await
}

/// Drops the partition of a day with everything in it; `false` when another orchestrator has.
///
/// # Errors
/// Postgres is away, or it was not this one's turn in time.
pub async fn drop_day(db: impl PgExecutor<'_>, day: NaiveDate) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select drop_event_partition($1) as "dropped!""#, day)
        .fetch_one(db)
        .await
}

fn day_of(name: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(name, "events_%Y%m%d").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_known_by_the_name_of_its_partition() {
        assert_eq!(day_of("events_20260228"), NaiveDate::from_ymd_opt(2026, 2, 28));
        assert_eq!(day_of("events_default"), None);
    }
}
