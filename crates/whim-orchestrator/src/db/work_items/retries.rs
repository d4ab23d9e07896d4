//! Spent retries of an item's current run, by failure cause.

use sqlx::PgExecutor;
use whim_core::{FailureCause, WorkItemId};

/// Retries that `cause` has spent in the item's current run.
pub async fn spent(db: impl PgExecutor<'_>, id: WorkItemId, cause: FailureCause) -> sqlx::Result<usize> {
    let spent = sqlx::query_scalar!(
        "select spent from work_item_retries where work_item_id = $1 and failure_cause = $2",
        id as WorkItemId,
        cause as FailureCause,
    )
    .fetch_optional(db)
    .await?;
    Ok(spent
        .and_then(|spent| usize::try_from(spent).ok())
        .unwrap_or_default())
}

pub(super) async fn spend(db: impl PgExecutor<'_>, id: WorkItemId, cause: FailureCause) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into work_item_retries as r (work_item_id, failure_cause, spent) values ($1, $2, 1)
         on conflict (work_item_id, failure_cause) do update set spent = r.spent + 1",
        id as WorkItemId,
        cause as FailureCause,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A new run starts with all retries.
pub(super) async fn reset(db: impl PgExecutor<'_>, id: WorkItemId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from work_item_retries where work_item_id = $1",
        id as WorkItemId
    )
    .execute(db)
    .await?;
    Ok(())
}
