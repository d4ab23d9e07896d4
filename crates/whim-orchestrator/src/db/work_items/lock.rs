//! Row locks of items.
//!
//! `for no key update` blocks changes of the row, but not inserts of rows that refer to it. With `for update`, a heartbeat
//! that inserts events and the end of the same worker would deadlock.

use sqlx::PgConnection;
use whim_core::{LeaseEpoch, RepoName, WorkItemId, WorkItemStatus, WorkerId};

/// An item whose row is locked until the end of the transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    pub id: WorkItemId,
    pub repo: RepoName,
    pub status: WorkItemStatus,
    pub lease_epoch: LeaseEpoch,
    /// The current worker, or the latest one.
    pub worker_id: Option<WorkerId>,
    pub run: u32,
    /// Consecutive workers that ended before they registered.
    pub failed_starts: u32,
    /// Deferrals of the spec generation in this run.
    pub spec_retries: usize,
    /// Notes of the current run.
    pub note_count: u32,
}

macro_rules! lock {
    ($db:expr, $which:literal, $id:expr) => {{
        let row = sqlx::query!(
            "select id, repo, status, lease_epoch, worker_id, run, failed_starts, spec_retries,
                    note_count
             from work_items where id = "
                + $which
                + " for no key update",
            $id
        )
        .fetch_optional($db)
        .await?;
        Ok(row.map(|row| Locked {
            id: row.id,
            repo: row.repo,
            status: row.status,
            lease_epoch: row.lease_epoch,
            worker_id: row.worker_id,
            run: row.run.cast_unsigned(),
            failed_starts: row.failed_starts.cast_unsigned(),
            spec_retries: usize::try_from(row.spec_retries).unwrap_or_default(),
            note_count: row.note_count.cast_unsigned(),
        }))
    }};
}

/// Locks an item.
pub async fn lock(db: &mut PgConnection, id: WorkItemId) -> sqlx::Result<Option<Locked>> {
    lock!(db, "$1", id as WorkItemId)
}

/// Locks the item of a worker.
pub async fn lock_of_worker(db: &mut PgConnection, worker: WorkerId) -> sqlx::Result<Option<Locked>> {
    lock!(
        db,
        "(select work_item_id from workers where id = $1)",
        worker as WorkerId
    )
}
