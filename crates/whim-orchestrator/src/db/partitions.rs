//! Tables with one partition for each UTC day: created ahead of time, dropped as a whole.

use chrono::NaiveDate;
use sqlx::{PgExecutor, PgPool};

/// A partitioned table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitioned {
    Events,
    TranscriptSegments,
}

impl Partitioned {
    fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::TranscriptSegments => "transcript_segments",
        }
    }

    fn day_of(self, partition: &str) -> Option<NaiveDate> {
        let day = partition.strip_prefix(self.as_str())?.strip_prefix('_')?;
        NaiveDate::parse_from_str(day, "%Y%m%d").ok()
    }
}

/// The partitions that exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// By the clock of the database.
    pub today: NaiveDate,
    /// Days that have a partition, oldest first.
    pub kept: Vec<NaiveDate>,
    /// Days of rows in the default partition, oldest first.
    pub stranded: Vec<NaiveDate>,
}

/// # Errors
/// Postgres is unavailable.
pub async fn calendar(db: &PgPool, table: Partitioned) -> sqlx::Result<Calendar> {
    let today = sqlx::query_scalar!(r#"select (now() at time zone 'utc')::date as "today!""#)
        .fetch_one(db)
        .await?;
    let names = sqlx::query_scalar!(
        r#"select c.relname::text as "name!" from pg_inherits h join pg_class c on c.oid = h.inhrelid
           where h.inhparent = $1::text::regclass order by c.relname"#,
        table.as_str(),
    )
    .fetch_all(db)
    .await?;
    let stranded = sqlx::query_scalar!(
        r#"select day as "day!" from stranded_days($1) as stranded (day)"#,
        table.as_str()
    )
    .fetch_all(db)
    .await?;
    Ok(Calendar {
        today,
        kept: names.iter().filter_map(|name| table.day_of(name)).collect(),
        stranded,
    })
}

/// Creates the partition of a day and moves the day's rows there from the default partition; `false` if it exists. Blocks
/// readers and writers of the table for a moment.
///
/// # Errors
/// Postgres is unavailable, or the lock was not granted in time.
pub async fn make(db: impl PgExecutor<'_>, table: Partitioned, day: NaiveDate) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select create_partition($1, $2) as "made!""#,
        table.as_str(),
        day
    )
    .fetch_one(db)
    .await
}

/// Drops the partition of a day with its rows; `false` if it does not exist.
///
/// # Errors
/// Postgres is unavailable, or the lock was not granted in time.
pub async fn drop_day(db: impl PgExecutor<'_>, table: Partitioned, day: NaiveDate) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select drop_partition($1, $2) as "dropped!""#,
        table.as_str(),
        day
    )
    .fetch_one(db)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_known_by_the_name_of_its_partition() {
        let day = NaiveDate::from_ymd_opt(2026, 2, 28);
        assert_eq!(Partitioned::Events.day_of("events_20260228"), day);
        assert_eq!(
            Partitioned::TranscriptSegments.day_of("transcript_segments_20260228"),
            day
        );
        assert_eq!(Partitioned::Events.day_of("events_default"), None);
    }
}
