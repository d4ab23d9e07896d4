//! Claiming the next item.

use std::time::Duration;

use sqlx::PgConnection;
use whim_core::{BranchName, LeaseEpoch, RepoName, TokenHash, UserName, WorkItemId, WorkerId};

/// A worker to be inserted, without its item.
#[derive(Clone, Copy, Debug)]
pub struct NewWorker<'a> {
    pub id: WorkerId,
    pub token_hash: [u8; 32],
    pub gateway_token_hashes: GatewayTokenHashes,
    /// Limit of its iterations; its item may have a lower one.
    pub max_iterations: u32,
    /// `process` or `docker`.
    pub runtime: &'a str,
    pub instance: &'a str,
    /// Length of its first lease.
    pub register_timeout: Duration,
}

/// The hashes of an attempt's tokens for the gateway.
#[derive(Clone, Copy, Debug)]
pub struct GatewayTokenHashes {
    pub agent: TokenHash,
    pub delivery: TokenHash,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    pub id: WorkItemId,
    pub repo: RepoName,
    pub branch: BranchName,
    /// The epoch that begins with this claim.
    pub lease_epoch: LeaseEpoch,
    /// Time since it was queued, for the first claim only.
    pub waited: Option<Duration>,
}

/// Claims the first item in queue order for a new worker; `None` if none is claimable. Concurrent claims never take the
/// same item and never wait for each other.
pub async fn claim(db: &mut PgConnection, worker: &NewWorker<'_>) -> sqlx::Result<Option<Claimed>> {
    take(db, worker, None).await
}

/// Claims an item that [`next_excluding`] returned in this transaction.
pub async fn claim_one(
    db: &mut PgConnection,
    worker: &NewWorker<'_>,
    item: WorkItemId,
) -> sqlx::Result<Option<Claimed>> {
    take(db, worker, Some(item)).await
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub id: WorkItemId,
    pub repo: RepoName,
    pub requested_by: Option<UserName>,
}

/// Items that a claim leaves out.
#[derive(Clone, Copy, Debug)]
pub struct Exclusions<'a> {
    /// In lower case.
    pub repositories: &'a [String],
    /// In lower case.
    pub users: &'a [String],
    /// Left out only if there are others.
    pub avoided_items: &'a [WorkItemId],
}

/// The first claimable item in queue order that is not excluded; locked until the end of the transaction.
pub async fn next_excluding(
    db: &mut PgConnection,
    exclusions: &Exclusions<'_>,
) -> sqlx::Result<Option<Candidate>> {
    let Exclusions {
        repositories,
        users,
        avoided_items,
    } = exclusions;
    let preferred = first_excluding(&mut *db, repositories, users, avoided_items).await?;
    if preferred.is_some() || avoided_items.is_empty() {
        return Ok(preferred);
    }
    first_excluding(db, repositories, users, &[]).await
}

async fn first_excluding(
    db: &mut PgConnection,
    repositories: &[String],
    users: &[String],
    items: &[WorkItemId],
) -> sqlx::Result<Option<Candidate>> {
    sqlx::query_file_as!(
        Candidate,
        "src/db/work_items/next_excluding.sql",
        repositories,
        users,
        items as &[WorkItemId]
    )
    .fetch_optional(db)
    .await
}

async fn take(
    db: &mut PgConnection,
    worker: &NewWorker<'_>,
    item: Option<WorkItemId>,
) -> sqlx::Result<Option<Claimed>> {
    let GatewayTokenHashes { agent, delivery } = worker.gateway_token_hashes;
    let row = sqlx::query_file!(
        "src/db/work_items/claim.sql",
        worker.id as WorkerId,
        item as Option<WorkItemId>,
        worker.token_hash.as_slice(),
        worker.max_iterations.cast_signed(),
        worker.runtime,
        worker.instance,
        worker.register_timeout.as_secs_f64(),
        agent.as_bytes().as_slice(),
        delivery.as_bytes().as_slice(),
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
