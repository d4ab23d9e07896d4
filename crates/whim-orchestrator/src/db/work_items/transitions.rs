//! Every change of an item's state.
//!
//! Each statement is guarded by the states that it may come from and, where a worker causes it, by the lease epoch.
//! `false` and `None` mean that no row matched: the caller is late.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use whim_core::{CommitHash, FailureCause, IssueNumber, LeaseEpoch, Priority, WorkItemId, WorkItemStatus};

use super::retries;
use super::task_counts::TaskCounts;

/// `assigned` to `in_progress`: the worker registered.
pub async fn mark_in_progress(
    db: &mut PgConnection,
    id: WorkItemId,
    epoch: LeaseEpoch,
) -> sqlx::Result<bool> {
    let changed = sqlx::query!(
        "update work_items set status = 'in_progress', failed_starts = 0, updated_at = now()
         where id = $1 and lease_epoch = $2 and status = any($3)",
        id as WorkItemId,
        epoch as LeaseEpoch,
        WorkItemStatus::InProgress.predecessors() as &[WorkItemStatus],
    )
    .execute(db)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// To `completed`.
pub async fn complete(
    db: &mut PgConnection,
    id: WorkItemId,
    epoch: LeaseEpoch,
    pull_request: (&str, IssueNumber),
    spec: (&str, &CommitHash, TaskCounts),
) -> sqlx::Result<bool> {
    let (pr_url, pr_number) = pull_request;
    let (spec, head_sha, tasks) = spec;
    let changed = sqlx::query!(
        "update work_items
         set status = 'completed', pr_url = $4, pr_number = $5, tasks_total = $6, tasks_done = $7,
             failure_cause = null, ended_at = now(), updated_at = now()
         where id = $1 and lease_epoch = $2 and status = any($3)",
        id as WorkItemId,
        epoch as LeaseEpoch,
        WorkItemStatus::Completed.predecessors() as &[WorkItemStatus],
        pr_url,
        pr_number.get().cast_signed(),
        tasks.total,
        tasks.done,
    )
    .execute(&mut *db)
    .await?;
    if changed.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "update work_item_texts set spec = $2, head_sha = $3, error = null where work_item_id = $1",
        id as WorkItemId,
        spec,
        head_sha.as_str(),
    )
    .execute(db)
    .await?;
    Ok(true)
}

/// How an item returns to the queue after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextAttempt {
    /// Backoff, from now on.
    pub delay: Duration,
    pub spends_retry: bool,
    /// Whether the attempt ended before its worker registered.
    pub failed_start: bool,
}

/// Back to `queued` after an attempt; returns when the next one is due.
pub async fn requeue_after_failure(
    db: &mut PgConnection,
    id: WorkItemId,
    epoch: LeaseEpoch,
    next: NextAttempt,
    cause: FailureCause,
    reason: &str,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    // Not `predecessors()`: the other transitions to `queued` are a submitted spec and a person's requeue.
    let next_retry_at = sqlx::query_scalar!(
        r#"update work_items
         set status = 'queued', failure_cause = $3, next_retry_at = now() + make_interval(secs => $4),
             retries = retries + $5, failed_starts = failed_starts + $6, updated_at = now()
         where id = $1 and lease_epoch = $2 and status in ('assigned', 'in_progress')
         returning next_retry_at as "next_retry_at!""#,
        id as WorkItemId,
        epoch as LeaseEpoch,
        cause as FailureCause,
        next.delay.as_secs_f64(),
        i32::from(next.spends_retry),
        i32::from(next.failed_start),
    )
    .fetch_optional(&mut *db)
    .await?;
    if next_retry_at.is_some() {
        if next.spends_retry {
            retries::spend(&mut *db, id, cause).await?;
        }
        set_error(db, id, Some(reason)).await?;
    }
    Ok(next_retry_at)
}

/// To `failed` after an attempt.
pub async fn fail(
    db: &mut PgConnection,
    id: WorkItemId,
    epoch: LeaseEpoch,
    cause: FailureCause,
    reason: &str,
) -> sqlx::Result<bool> {
    let changed = sqlx::query!(
        "update work_items
         set status = 'failed', failure_cause = $4, ended_at = now(), updated_at = now()
         where id = $1 and lease_epoch = $2 and status = any($3)",
        id as WorkItemId,
        epoch as LeaseEpoch,
        WorkItemStatus::Failed.predecessors() as &[WorkItemStatus],
        cause as FailureCause,
    )
    .execute(&mut *db)
    .await?;
    let changed = changed.rows_affected() == 1;
    if changed {
        set_error(db, id, Some(reason)).await?;
    }
    Ok(changed)
}

/// To `cancelled`, from any live state; `note` names the person and the reason.
pub async fn cancel(db: &mut PgConnection, id: WorkItemId, note: &str) -> sqlx::Result<bool> {
    let changed = sqlx::query!(
        "update work_items
         set status = 'cancelled', next_retry_at = null, failure_cause = null, ended_at = now(), updated_at = now()
         where id = $1 and status = any($2)",
        id as WorkItemId,
        WorkItemStatus::Cancelled.predecessors() as &[WorkItemStatus],
    )
    .execute(&mut *db)
    .await?;
    let changed = changed.rows_affected() == 1;
    if changed {
        set_error(db, id, Some(note)).await?;
    }
    Ok(changed)
}

/// Moves an item to the place of its age within another priority.
pub async fn set_priority(db: &mut PgConnection, id: WorkItemId, priority: Priority) -> sqlx::Result<()> {
    sqlx::query!(
        "update work_items set priority = $2, updated_at = now() where id = $1",
        id as WorkItemId,
        priority as Priority,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Clears the backoff of at most `limit` due items, the longest due first; returns how many those were. Queued items
/// become claimable, and the specs of generating ones can be tried again.
pub async fn release_due_retries(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<u64> {
    let changed = sqlx::query!(
        "update work_items set next_retry_at = null, updated_at = now()
         where id = any(array(
             select id from work_items where next_retry_at <= now()
             order by next_retry_at limit $1 for update skip locked
         ))",
        limit,
    )
    .execute(db)
    .await?;
    Ok(changed.rows_affected())
}

/// Stores a checklist with its ticks together with the pushed head that they belong to.
pub async fn record_progress(
    db: &mut PgConnection,
    id: WorkItemId,
    epoch: LeaseEpoch,
    spec: (&str, &CommitHash, TaskCounts),
) -> sqlx::Result<bool> {
    let (spec, head_sha, tasks) = spec;
    let changed = sqlx::query!(
        "update work_items set tasks_total = $3, tasks_done = $4
         where id = $1 and lease_epoch = $2 and status = 'in_progress'",
        id as WorkItemId,
        epoch as LeaseEpoch,
        tasks.total,
        tasks.done,
    )
    .execute(&mut *db)
    .await?;
    if changed.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "update work_item_texts set spec = $2, head_sha = $3 where work_item_id = $1",
        id as WorkItemId,
        spec,
        head_sha.as_str(),
    )
    .execute(db)
    .await?;
    Ok(true)
}

/// Stores or clears the reason that is shown to people.
pub(super) async fn set_error(
    db: &mut PgConnection,
    id: WorkItemId,
    error: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update work_item_texts set error = $2 where work_item_id = $1",
        id as WorkItemId,
        error,
    )
    .execute(db)
    .await?;
    Ok(())
}
