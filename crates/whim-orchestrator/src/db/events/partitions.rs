//! Partitions of the event log, one for each UTC day: created ahead of time, dropped as a whole.

use chrono::NaiveDate;
use sqlx::{PgExecutor, PgPool};

/// The partitions that exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// By the clock of the database.
    pub today: NaiveDate,
    /// Days that have a partition, oldest first.
    pub kept: Vec<NaiveDate>,
    /// Days of events in the default partition, oldest first.
    pub stranded: Vec<NaiveDate>,
}

/// # Errors
/// Postgres is unavailable.
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

/// Creates the partition of a day and moves the day's events there from the default partition; `false` if it exists.
/// Blocks readers and writers of events for a moment.
///
/// # Errors
/// Postgres is unavailable, or the lock was not granted in time.
pub async fn make(db: impl PgExecutor<'_>, day: NaiveDate) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select create_event_partition($1) as "made!""#, day)
        .fetch_one(db)
        .await
}

/// Drops the partition of a day with its events; `false` if it does not exist.
///
/// # Errors
/// Postgres is unavailable, or the lock was not granted in time.
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
