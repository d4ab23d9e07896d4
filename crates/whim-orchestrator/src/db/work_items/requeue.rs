//! Another run of an item that has ended.

use sqlx::PgConnection;
use sqlx::types::Json;
use whim_core::protocol::work::Approval;
use whim_core::{UserName, WorkItemId, WorkItemStatus};

use super::retries;
use super::task_counts::TaskCounts;
use super::transitions::set_error;

/// The data with which the next run of an ended item starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextRun<'a> {
    /// Its spec with the ticks.
    Resume,
    /// This spec; the pushed head of the previous run no longer counts.
    Restart { spec: &'a str, tasks: TaskCounts },
    /// A spec that is still to be written, from the description that the item has.
    GenerateSpec,
    /// A new spec, from this description.
    ReplaceDescription { description: &'a str },
}

/// Starts another run of an ended item; `false` when it has not ended. Without `requested_by`, the requester of the
/// previous run is kept.
///
/// # Errors
/// A violation of [`super::LIVE_BRANCH_KEY`] when another live item works on the branch.
pub async fn requeue(
    db: &mut PgConnection,
    id: WorkItemId,
    next: &NextRun<'_>,
    requested_by: Option<&UserName>,
) -> sqlx::Result<bool> {
    let (to, tasks) = match next {
        NextRun::Resume => (WorkItemStatus::Queued, None),
        NextRun::Restart { tasks, .. } => (WorkItemStatus::Queued, Some(*tasks)),
        NextRun::GenerateSpec => (WorkItemStatus::Generating, None),
        NextRun::ReplaceDescription { .. } => (WorkItemStatus::Generating, Some(TaskCounts::default())),
    };
    let changed = sqlx::query!(
        "update work_items
         set status = $2, run = run + 1, retries = 0, failed_starts = 0, spec_retries = 0, note_count = 0,
             failure_cause = null,
             pr_url = null, pr_number = null, ended_at = null, queued_at = now(), updated_at = now(),
             tasks_total = coalesce($4, tasks_total), tasks_done = coalesce($5, tasks_done),
             requested_by = coalesce($6, requested_by)
         where id = $1 and status = any($3) and ended_at is not null",
        id as WorkItemId,
        to as WorkItemStatus,
        to.predecessors() as &[WorkItemStatus],
        tasks.map(|tasks| tasks.total),
        tasks.map(|tasks| tasks.done),
        requested_by.map(UserName::as_str),
    )
    .execute(&mut *db)
    .await?;
    if changed.rows_affected() == 0 {
        return Ok(false);
    }
    retries::reset(&mut *db, id).await?;
    match next {
        NextRun::Resume | NextRun::GenerateSpec => {}
        NextRun::Restart { spec, .. } => {
            sqlx::query!(
                "update work_item_texts set spec = $2, head_sha = null where work_item_id = $1",
                id as WorkItemId,
                *spec,
            )
            .execute(&mut *db)
            .await?;
        }
        NextRun::ReplaceDescription { description } => {
            sqlx::query!(
                "update work_item_texts set spec = null, head_sha = null, description = $2 where work_item_id = $1",
                id as WorkItemId,
                *description,
            )
            .execute(&mut *db)
            .await?;
        }
    }
    set_error(db, id, None).await?;
    Ok(true)
}

/// Replaces the approval in the metadata of an item.
pub async fn set_approval(db: &mut PgConnection, id: WorkItemId, approval: &Approval) -> sqlx::Result<()> {
    sqlx::query!(
        "update work_item_texts set metadata = metadata || jsonb_build_object('approval', $2::jsonb)
         where work_item_id = $1",
        id as WorkItemId,
        Json(approval) as Json<&Approval>,
    )
    .execute(db)
    .await?;
    Ok(())
}
