//! Taking the next item.

use std::time::Duration;

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
    /// The time since its submission, when this is its first claim.
    pub waited: Option<Duration>,
}

struct Row {
    id: WorkItemId,
    repo: RepoName,
    branch: BranchName,
    lease_epoch: LeaseEpoch,
    max_iterations: Option<i32>,
    waited_seconds: Option<f64>,
}

impl From<Row> for Claimed {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            repo: row.repo,
            branch: row.branch,
            lease_epoch: row.lease_epoch,
            max_iterations: row.max_iterations.map(i32::cast_unsigned),
            // The clock of the database may have been set back since.
            waited: row
                .waited_seconds
                .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()),
        }
    }
}

/// Takes the most urgent item that may be taken now, the oldest of those first, for `worker`, and begins its next
/// epoch; `None` when there is none. Claims that run at the same time never take the same one and never wait for
/// each other.
pub async fn claim(db: &mut PgConnection, worker: WorkerId) -> sqlx::Result<Option<Claimed>> {
    let row = sqlx::query_file_as!(Row, "src/db/work_items/claim.sql", worker as WorkerId)
        .fetch_optional(db)
        .await?;
    Ok(row.map(Claimed::from))
}

/// The item that [`claim`] would take if the `spared` repositories (in lower case) had none; locked until the end of
/// the transaction.
pub async fn first_of_others(db: &mut PgConnection, spared: &[String]) -> sqlx::Result<Option<WorkItemId>> {
    sqlx::query_file_scalar!("src/db/work_items/first_of_others.sql", spared)
        .fetch_optional(db)
        .await
}

/// Takes this item, if it may be taken, like [`claim`].
pub async fn claim_one(
    db: &mut PgConnection,
    worker: WorkerId,
    item: WorkItemId,
) -> sqlx::Result<Option<Claimed>> {
    let row = sqlx::query_as!(
        Row,
        "update work_items
         set status = 'assigned', lease_epoch = lease_epoch + 1, worker_id = $1, started_at = now(), updated_at = now()
         where id = $2 and status = 'queued' and next_retry_at is null
         returning id, repo, branch, lease_epoch, max_iterations,
             case when lease_epoch = 1 then extract(epoch from clock_timestamp() - queued_at)::float8 end
                 as waited_seconds",
        worker as WorkerId,
        item as WorkItemId,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Claimed::from))
}
