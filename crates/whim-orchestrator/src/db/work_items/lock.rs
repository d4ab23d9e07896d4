//! Items that are locked while they are changed.
//!
//! `for no key update`: one who locks an item or a worker keeps others from changing it, but not from inserting rows
//! that refer to it. With the stronger lock, a heartbeat that inserts events and the end of the same worker would wait
//! for each other.

use sqlx::PgConnection;
use whim_core::{LeaseEpoch, RepoName, WorkItemId, WorkItemStatus, WorkerId};

/// An item as it is while its row is locked: until the end of the transaction nobody else changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// The item.
    pub id: WorkItemId,
    /// Its repository.
    pub repo: RepoName,
    /// Its state.
    pub status: WorkItemStatus,
    /// Its epoch.
    pub lease_epoch: LeaseEpoch,
    /// The worker that has it, or had it last.
    pub worker_id: Option<WorkerId>,
    /// Its run.
    pub run: u32,
    /// Retries that were spent.
    pub retries: usize,
    /// Workers in a row that ended before they registered.
    pub failed_starts: u32,
    /// How often the writing of its spec was put off.
    pub spec_retries: usize,
}

macro_rules! lock {
    ($db:expr, $which:literal, $id:expr) => {{
        let row = sqlx::query!(
            "select id, repo, status, lease_epoch, worker_id, run, retries, failed_starts, spec_retries
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
            retries: usize::try_from(row.retries).unwrap_or_default(),
            failed_starts: row.failed_starts.cast_unsigned(),
            spec_retries: usize::try_from(row.spec_retries).unwrap_or_default(),
        }))
    }};
}

/// Locks an item; `None` when there is none.
pub async fn lock(db: &mut PgConnection, id: WorkItemId) -> sqlx::Result<Option<Locked>> {
    lock!(db, "$1", id as WorkItemId)
}

/// Locks the item for which a worker was started; `None` when there is no such worker.
pub async fn lock_of_worker(db: &mut PgConnection, worker: WorkerId) -> sqlx::Result<Option<Locked>> {
    lock!(
        db,
        "(select work_item_id from workers where id = $1)",
        worker as WorkerId
    )
}
