//! Results of spec generation. Each is bound to the run that the spec was written for.

use std::time::Duration;

use sqlx::PgConnection;
use whim_core::{FailureCause, WorkItemId};

use super::task_counts::TaskCounts;
use super::transitions::set_error;

/// From `generating` to `queued`. The item's place in the queue is counted from now on.
pub async fn submit_spec(
    db: &mut PgConnection,
    id: WorkItemId,
    run: u32,
    spec: &str,
    tasks: TaskCounts,
) -> sqlx::Result<bool> {
    let changed = sqlx::query!(
        "update work_items
         set status = 'queued', next_retry_at = null, spec_retries = 0, failure_cause = null,
             tasks_total = $3, tasks_done = $4, queued_at = now(), updated_at = now()
         where id = $1 and run = $2 and status = 'generating'",
        id as WorkItemId,
        run.cast_signed(),
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

/// Stays `generating`; the spec is tried again after `delay`.
pub async fn defer_spec(
    db: &mut PgConnection,
    id: WorkItemId,
    run: u32,
    delay: Duration,
    cause: FailureCause,
    reason: &str,
) -> sqlx::Result<bool> {
    let changed = sqlx::query!(
        "update work_items
         set next_retry_at = now() + make_interval(secs => $3), spec_retries = spec_retries + 1, failure_cause = $4,
             updated_at = now()
         where id = $1 and run = $2 and status = 'generating'",
        id as WorkItemId,
        run.cast_signed(),
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
    run: u32,
    cause: FailureCause,
    reason: &str,
) -> sqlx::Result<bool> {
    let changed = sqlx::query!(
        "update work_items
         set status = 'failed', next_retry_at = null, failure_cause = $3, ended_at = now(), updated_at = now()
         where id = $1 and run = $2 and status = 'generating'",
        id as WorkItemId,
        run.cast_signed(),
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
