//! Diffs of items: what the latest push changed.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{PgConnection, PgExecutor};
use whim_core::{CommitHash, LeaseEpoch, WorkItemId, WorkerId};

/// Replaces the diff of the worker's item and notifies subscribers. `false` if a later attempt has stored one, or there is
/// no such worker.
///
/// # Errors
/// Postgres is unavailable.
pub async fn replace(
    db: &mut PgConnection,
    worker: WorkerId,
    head_sha: &CommitHash,
    diff: &[u8],
) -> sqlx::Result<bool> {
    let replaced = sqlx::query!(
        "with stored as (
             insert into work_item_diffs as d (work_item_id, worker_id, lease_epoch, head_sha, diff)
             select w.work_item_id, w.id, w.lease_epoch, $2, $3 from workers w where w.id = $1
             on conflict (work_item_id) do update
             set worker_id = excluded.worker_id, lease_epoch = excluded.lease_epoch, head_sha = excluded.head_sha,
                 diff = excluded.diff, updated_at = now()
             where d.lease_epoch <= excluded.lease_epoch
             returning worker_id, work_item_id, lease_epoch
         )
         insert into events (kind, worker_id, work_item_id, lease_epoch, body)
         select 'diff', worker_id, work_item_id, lease_epoch, $4 from stored",
        worker as WorkerId,
        head_sha.as_str(),
        diff,
        json!({ "headSha": head_sha }),
    )
    .execute(db)
    .await?;
    Ok(replaced.rows_affected() > 0)
}

/// A stored diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDiff {
    pub worker: WorkerId,
    pub lease_epoch: LeaseEpoch,
    /// JSON, compressed.
    pub diff: Vec<u8>,
    pub updated_at: DateTime<Utc>,
}

/// # Errors
/// Postgres is unavailable.
pub async fn find(db: impl PgExecutor<'_>, item: WorkItemId) -> sqlx::Result<Option<StoredDiff>> {
    sqlx::query_as!(
        StoredDiff,
        r#"select worker_id as "worker: WorkerId", lease_epoch as "lease_epoch: LeaseEpoch", diff, updated_at
           from work_item_diffs where work_item_id = $1"#,
        item as WorkItemId,
    )
    .fetch_optional(db)
    .await
}
