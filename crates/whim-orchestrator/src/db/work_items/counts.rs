//! How many items there are: sums of what triggers write down with every change (`work_item_counts`), so that they cost
//! the same with ten items and with a million.

use std::collections::BTreeMap;

use sqlx::PgExecutor;
use whim_core::{Priority, WorkItemStatus};

/// How many items there are in each state; a state without items is there with 0.
pub async fn by_status(db: impl PgExecutor<'_>) -> sqlx::Result<BTreeMap<WorkItemStatus, u64>> {
    let rows = sqlx::query!(
        r#"select status, sum(delta)::bigint as "count!" from work_item_counts group by status"#
    )
    .fetch_all(db)
    .await?;
    let counted = rows
        .into_iter()
        .map(|row| (row.status, row.count.cast_unsigned()));
    Ok(WorkItemStatus::ALL
        .into_iter()
        .map(|status| (status, 0))
        .chain(counted)
        .collect())
}

/// How many items are queued, by priority; a priority without items is there with 0.
pub async fn by_priority(db: impl PgExecutor<'_>) -> sqlx::Result<BTreeMap<Priority, u64>> {
    let rows = sqlx::query!(
        r#"select priority, sum(delta)::bigint as "count!" from work_item_counts
           where status = 'queued' group by priority"#
    )
    .fetch_all(db)
    .await?;
    let counted = rows
        .into_iter()
        .map(|row| (row.priority, row.count.cast_unsigned()));
    Ok(Priority::ALL
        .into_iter()
        .map(|priority| (priority, 0))
        .chain(counted)
        .collect())
}

/// Replaces at most `most` of the rows that make up the counts by their sums; answers how many those were. Counts stay
/// what they are, and nobody waits: rows that another one adds up just now are left to that one.
pub async fn compact_counts(db: impl PgExecutor<'_>, most: i64) -> sqlx::Result<u64> {
    let gone = sqlx::query_scalar!(
        r#"with gone as (
             delete from work_item_counts
             where ctid = any(array(select ctid from work_item_counts limit $1 for update skip locked))
             returning status, priority, delta
           ),
           sums as (
             insert into work_item_counts (status, priority, delta)
             select status, priority, sum(delta) from gone group by status, priority having sum(delta) <> 0
           )
           select count(*) as "count!" from gone"#,
        most
    )
    .fetch_one(db)
    .await?;
    Ok(gone.cast_unsigned())
}
