//! Number of items per status and priority: sums over `work_item_counts`, to which triggers add a row with every change.
//! The cost does not depend on the number of items.

use std::collections::BTreeMap;

use sqlx::PgExecutor;
use whim_core::{Priority, WorkItemStatus};

/// Number of items by status, including statuses without items.
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

/// Number of queued items by priority, including priorities without items.
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

/// Once there are more than `few` rows, replaces at most `limit` of them by their sums. Returns how many those were. Skips
/// rows that another orchestrator is compacting.
pub async fn compact_counts(db: impl PgExecutor<'_>, few: i64, limit: i64) -> sqlx::Result<u64> {
    let compacted = sqlx::query_scalar!(
        r#"with compacted as (
             delete from work_item_counts
             where ctid = any(array(
                 select ctid from work_item_counts
                 where (select count(*) from (select from work_item_counts limit $1::bigint + 1) counted) > $1
                 limit $2
                 for update skip locked))
             returning status, priority, delta
           ),
           sums as (
             insert into work_item_counts (status, priority, delta)
             select status, priority, sum(delta) from compacted group by status, priority having sum(delta) <> 0
           )
           select count(*) as "count!" from compacted"#,
        few,
        limit
    )
    .fetch_one(db)
    .await?;
    Ok(compacted.cast_unsigned())
}
