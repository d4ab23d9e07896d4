//! The calling worker, and its attempt while the rows are locked.

use std::time::Duration;

use sqlx::PgConnection;
use whim_core::{LeaseEpoch, RepoName, WorkItemStatus, WorkerId, WorkerStatus};

use crate::db::{work_items, workers};
use crate::error::Error;

/// A worker that authenticated with its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub id: WorkerId,
    /// Everything that it requests is bound to this epoch.
    pub lease_epoch: LeaseEpoch,
    /// The repository of its item. What a request says about the repository does not count (`docs/attacks.md`, row 24).
    pub repo: RepoName,
    pub max_iterations: u32,
}

impl Caller {
    /// The response when the item turned out to be taken away.
    pub(super) fn lease_lost(&self) -> Error {
        Error::LeaseLost {
            worker: self.id,
            now: None,
        }
    }
}

/// A worker and its item, both locked.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) item: work_items::Locked,
    pub(super) worker: workers::Locked,
}

impl Attempt {
    /// Locks the item, then the worker; `None` when there is no such worker.
    pub(super) async fn lock(db: &mut PgConnection, worker: WorkerId) -> sqlx::Result<Option<Self>> {
        let Some(item) = work_items::lock_of_worker(&mut *db, worker).await? else {
            return Ok(None);
        };
        let worker = workers::lock(db, worker).await?;
        Ok(worker.map(|worker| Self { item, worker }))
    }

    /// Whether the worker still has its item.
    pub(super) fn has_item(&self) -> bool {
        let claimed = matches!(
            self.item.status,
            WorkItemStatus::Assigned | WorkItemStatus::InProgress
        );
        let same_claim =
            self.item.worker_id == Some(self.worker.id) && self.item.lease_epoch == self.worker.lease_epoch;
        claimed && same_claim && !self.worker.status.is_terminal()
    }

    /// The response when the worker no longer has its item.
    pub(super) fn lease_lost(&self) -> Error {
        Error::LeaseLost {
            worker: self.worker.id,
            now: Some(self.item.status),
        }
    }

    /// Refuses a worker that is not running or no longer has its item.
    pub(super) fn require_running(&self, asked: &'static str) -> Result<(), Error> {
        if !self.has_item() {
            return Err(self.lease_lost());
        }
        if self.worker.status != WorkerStatus::Running {
            return Err(Error::WorkerState {
                now: self.worker.status,
                asked,
            });
        }
        Ok(())
    }
}

/// A lease in responses: rounded down, so that a worker never relies on more than it has.
pub(super) fn whole_seconds(lease: Duration) -> u64 {
    lease.as_secs().max(1)
}
