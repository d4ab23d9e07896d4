//! Every change of an item's state, each guarded in its `WHERE` by the states that it may come from and, where a
//! worker or its end causes it, by the epoch. `false` and `None` mean that no row fitted: the caller is late.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use whim_core::{CommitHash, FailureCause, IssueNumber, LeaseEpoch, UserName, WorkItemId, WorkItemStatus};

use super::TaskCounts;

/// `assigned` to `in_progress`: its worker registered.
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

/// What an item carries to its next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextAttempt {
    /// How long it waits, from now on.
    pub delay: Duration,
    /// Whether a retry was spent.
    pub spends_retry: bool,
    /// Whether the attempt ended before its worker registered.
    pub failed_start: bool,
}

/// Back to `queued` after an attempt; answers when the next one is due.
pub async fn requeue_after_failure(
    db: &mut PgConnection,
    id: WorkItemId,
    epoch: LeaseEpoch,
    next: NextAttempt,
    cause: FailureCause,
    reason: &str,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    // Not `predecessors()`: that an item is queued from other states is a spec handed in or a person's request.
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

/// To `cancelled`, from any live state; `note` says who and why.
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

/// What an item that has ended begins its next run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextRun<'a> {
    /// The spec that it has, with its ticks.
    Resumed,
    /// This spec, and nothing that was pushed for it.
    Anew {
        /// The checklist.
        spec: &'a str,
        /// How far it is.
        tasks: TaskCounts,
    },
    /// The writing of its spec.
    Written,
    /// The writing of a new spec from this description.
    Rewritten {
        /// What is wanted by now.
        description: &'a str,
    },
}

/// Begins another run of an item that has ended, for whoever asked for it: without a name, whoever asked before.
///
/// # Errors
/// A violation of [`super::LIVE_BRANCH_KEY`] when another live item works on the branch by now.
pub async fn requeue(
    db: &mut PgConnection,
    id: WorkItemId,
    next: &NextRun<'_>,
    requested_by: Option<&UserName>,
) -> sqlx::Result<bool> {
    let (to, tasks) = match next {
        NextRun::Resumed => (WorkItemStatus::Queued, None),
        NextRun::Anew { tasks, .. } => (WorkItemStatus::Queued, Some(*tasks)),
        NextRun::Written => (WorkItemStatus::Generating, None),
        NextRun::Rewritten { .. } => (WorkItemStatus::Generating, Some(TaskCounts::default())),
    };
    let changed = sqlx::query!(
        "update work_items
         set status = $2, run = run + 1, retries = 0, failed_starts = 0, spec_retries = 0, failure_cause = null,
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
    match next {
        NextRun::Resumed | NextRun::Written => {}
        NextRun::Anew { spec, .. } => {
            sqlx::query!(
                "update work_item_texts set spec = $2, head_sha = null where work_item_id = $1",
                id as WorkItemId,
                *spec,
            )
            .execute(&mut *db)
            .await?;
        }
        NextRun::Rewritten { description } => {
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

/// From `generating` to `queued` with the spec that was written. From now on it waits for a worker.
pub async fn hand_in_spec(
    db: &mut PgConnection,
    id: WorkItemId,
    spec: &str,
    tasks: TaskCounts,
) -> sqlx::Result<bool> {
    let changed = sqlx::query!(
        "update work_items
         set status = 'queued', next_retry_at = null, spec_retries = 0, failure_cause = null,
             tasks_total = $2, tasks_done = $3, queued_at = now(), updated_at = now()
         where id = $1 and status = 'generating'",
        id as WorkItemId,
        tasks.total,
        tasks.done,
    )
    .execute(&mut *db)
    .await?;
    if changed.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "update work_item_texts set spec = $2, head_sha = null, error = null where work_item_id = $1",
        id as WorkItemId,
        spec,
    )
    .execute(db)
    .await?;
    Ok(true)
}

/// Stays `generating`; its spec is to be tried again after `delay`.
pub async fn delay_spec(
    db: &mut PgConnection,
    id: WorkItemId,
    delay: Duration,
    cause: FailureCause,
    reason: &str,
) -> sqlx::Result<bool> {
    let changed = sqlx::query!(
        "update work_items
         set next_retry_at = now() + make_interval(secs => $2), spec_retries = spec_retries + 1, failure_cause = $3,
             updated_at = now()
         where id = $1 and status = 'generating'",
        id as WorkItemId,
        delay.as_secs_f64(),
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

/// From `generating` to `failed`: no spec can be written.
pub async fn fail_spec(
    db: &mut PgConnection,
    id: WorkItemId,
    cause: FailureCause,
    reason: &str,
) -> sqlx::Result<bool> {
    let changed = sqlx::query!(
        "update work_items
         set status = 'failed', next_retry_at = null, failure_cause = $2, ended_at = now(), updated_at = now()
         where id = $1 and status = 'generating'",
        id as WorkItemId,
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

/// Ends the wait of at most `limit` items whose time has come, the longest due first; answers how many those were.
/// Queued ones can be claimed from now on, and the spec of generating ones is to be tried again.
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

/// Keeps a checklist with its ticks together with the pushed head that belongs to them.
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

async fn set_error(db: &mut PgConnection, id: WorkItemId, error: Option<&str>) -> sqlx::Result<()> {
    sqlx::query!(
        "update work_item_texts set error = $2 where work_item_id = $1",
        id as WorkItemId,
        error,
    )
    .execute(db)
    .await?;
    Ok(())
}
