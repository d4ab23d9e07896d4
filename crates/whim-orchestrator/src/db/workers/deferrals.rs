//! Attempts that ended without spending a retry.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use whim_core::{FailureCause, LeaseEpoch, WorkItemId};

/// Consecutive attempts of an item's run that failed for one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streak {
    pub attempts: u32,
    /// End of the first of them.
    pub since: DateTime<Utc>,
}

/// The attempts before `epoch` that failed for `cause`, back to the latest one that ended in another way; `None` when
/// there is none.
pub async fn streak(
    db: impl PgExecutor<'_>,
    item: WorkItemId,
    epoch: LeaseEpoch,
    cause: FailureCause,
) -> sqlx::Result<Option<Streak>> {
    let row = sqlx::query!(
        r#"select count(*) as "attempts!", min(w.ended_at) as since
           from workers w
           join work_items i on i.id = w.work_item_id
           where w.work_item_id = $1 and w.lease_epoch < $2 and w.failure_cause = $3 and w.started_at >= i.queued_at
             and w.lease_epoch > coalesce((
                 select max(lease_epoch) from workers
                 where work_item_id = $1 and lease_epoch < $2 and failure_cause is distinct from $3), 0)"#,
        item as WorkItemId,
        epoch as LeaseEpoch,
        cause as FailureCause,
    )
    .fetch_one(db)
    .await?;
    Ok(row.since.map(|since| Streak {
        attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
        since,
    }))
}

/// Whether a worker of another item that started after `since` got past what `cause` is about: the model API answered it,
/// or it registered, cloned its repository and began its first iteration.
pub async fn others_got_past(
    db: impl PgExecutor<'_>,
    item: WorkItemId,
    since: DateTime<Utc>,
    cause: FailureCause,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
             select from workers w
             join worker_heartbeats b on b.worker_id = w.id
             where (w.status in ('starting', 'running') or w.ended_at > $2)
               and w.started_at > $2 and w.work_item_id <> $1
               and (w.status = 'completed' or case
                   when $3 in ('model_unavailable', 'model_limited')
                       then coalesce((b.stats -> 'tokens' ->> 'output')::float8, 0) > 0
                   when $3 = 'runtime_unavailable' then w.registered_at is not null
                   else b.iteration > 0
               end)
         ) as "passed!""#,
        item as WorkItemId,
        since,
        cause as FailureCause,
    )
    .fetch_one(db)
    .await
}
