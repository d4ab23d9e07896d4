//! Taking the next item.

use sqlx::PgConnection;
use whim_core::{BranchName, LeaseEpoch, RepoName, WorkItemId, WorkerId};

/// An item that was taken for a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The item.
    pub id: WorkItemId,
    /// Its repository.
    pub repo: RepoName,
    /// Its branch.
    pub branch: BranchName,
    /// The epoch that begins with this claim.
    pub lease_epoch: LeaseEpoch,
    /// The caller's limit for one attempt; the configured cap and what is left of the budget hold all the same.
    pub max_iterations: Option<u32>,
}

/// Takes the most urgent item that may be taken now, the oldest of those first, for `worker`, and begins its next
/// epoch; `None` when there is none. Claims that run at the same time never take the same one and never wait for
/// each other.
pub async fn claim(db: &mut PgConnection, worker: WorkerId) -> sqlx::Result<Option<Claimed>> {
    let row = sqlx::query_file!("src/db/work_items/claim.sql", worker as WorkerId)
        .fetch_optional(db)
        .await?;
    Ok(row.map(|row| Claimed {
        id: row.id,
        repo: row.repo,
        branch: row.branch,
        lease_epoch: row.lease_epoch,
        max_iterations: row.max_iterations.map(i32::cast_unsigned),
    }))
}
