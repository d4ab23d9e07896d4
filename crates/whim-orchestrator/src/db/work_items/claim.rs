//! Taking the next item.

use std::time::Duration;

use sqlx::PgConnection;
use whim_core::{BranchName, LeaseEpoch, RepoName, UserName, WorkItemId, WorkerId};

/// A worker to be, but for its item.
#[derive(Clone, Copy, Debug)]
pub struct NewWorker<'a> {
    /// Its identifier.
    pub id: WorkerId,
    /// The hash of its token.
    pub token_hash: [u8; 32],
    /// How many iterations it may use at the most; its item may have a lower limit.
    pub max_iterations: u32,
    /// What starts it: `process`, `docker`.
    pub runtime: &'a str,
    /// The orchestrator instance that starts it.
    pub instance: &'a str,
    /// How long it may take to register: so long is its first lease.
    pub register_timeout: Duration,
}

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
    /// The time since it was queued, when this is its first claim.
    pub waited: Option<Duration>,
}

/// Takes the most urgent item that may be taken now, the oldest of those first, and begins its next epoch with a new
/// worker that has a lease; `None` when there is none. Claims that run at the same time never take the same one and
/// never wait for each other.
pub async fn claim(db: &mut PgConnection, worker: &NewWorker<'_>) -> sqlx::Result<Option<Claimed>> {
    take(db, worker, None).await
}

/// The same with an item that [`next_excluding`] gave in this transaction.
pub async fn claim_one(
    db: &mut PgConnection,
    worker: &NewWorker<'_>,
    item: WorkItemId,
) -> sqlx::Result<Option<Claimed>> {
    take(db, worker, Some(item)).await
}

/// An item that would be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The item.
    pub id: WorkItemId,
    /// Its repository.
    pub repo: RepoName,
    /// Who asked for it.
    pub requested_by: Option<UserName>,
}

/// The item that [`claim`] would take if these repositories and users (in lower case) had none; locked until the end of
/// the transaction.
pub async fn next_excluding(
    db: &mut PgConnection,
    repositories: &[String],
    users: &[String],
) -> sqlx::Result<Option<Candidate>> {
    sqlx::query_file_as!(
        Candidate,
        "src/db/work_items/next_excluding.sql",
        repositories,
        users
    )
    .fetch_optional(db)
    .await
}

async fn take(
    db: &mut PgConnection,
    worker: &NewWorker<'_>,
    item: Option<WorkItemId>,
) -> sqlx::Result<Option<Claimed>> {
    let row = sqlx::query_file!(
        "src/db/work_items/claim.sql",
        worker.id as WorkerId,
        item as Option<WorkItemId>,
        worker.token_hash.as_slice(),
        worker.max_iterations.cast_signed(),
        worker.runtime,
        worker.instance,
        worker.register_timeout.as_secs_f64(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Claimed {
        id: row.id,
        repo: row.repo,
        branch: row.branch,
        lease_epoch: row.lease_epoch,
        // The clock of the database may have been set back since.
        waited: row
            .waited_seconds
            .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()),
    }))
}
