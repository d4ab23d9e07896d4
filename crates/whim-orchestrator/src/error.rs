//! Why the orchestrator does not do what it was asked.

use whim_core::protocol::worker::LockConflict;
use whim_core::{BranchName, WorkItemId, WorkItemStatus, WorkerId, WorkerStatus};

use crate::locks::LocksFailed;

/// Why the orchestrator does not do what it was asked. Most of these are answers; the last two are troubles.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the request is wrong.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field, as it is called in the request.
        field: &'static str,
        /// What is wrong with it, and what would be right.
        problem: String,
        /// The conventions that a specification breaks, when that is it.
        violations: Vec<String>,
    },
    /// There is no such item.
    #[error("there is no work item {0}")]
    NoSuchItem(WorkItemId),
    /// There is no such worker.
    #[error("there is no worker {0}")]
    NoSuchWorker(WorkerId),
    /// The item is in a state that does not allow it.
    #[error("a work item that is {now} cannot be {asked}")]
    ItemState {
        /// The state that won.
        now: WorkItemStatus,
        /// What was asked for, as a participle.
        asked: &'static str,
    },
    /// The worker is in a state that does not allow it.
    #[error("a worker that is {now} cannot {asked}")]
    WorkerState {
        /// The state that won.
        now: WorkerStatus,
        /// What was asked for.
        asked: &'static str,
    },
    /// Another live item works on the branch.
    #[error("another work item that has not ended works on branch {branch}")]
    BranchInUse {
        /// The branch.
        branch: BranchName,
        /// The item, if it still does.
        holder: Option<WorkItemId>,
    },
    /// The worker's item was taken away.
    #[error("worker {worker} has its work item no more and has to stop")]
    LeaseLost {
        /// The worker.
        worker: WorkerId,
        /// What became of the item.
        now: Option<WorkItemStatus>,
    },
    /// Another process registered as this worker.
    #[error("another process has registered as worker {0}")]
    AlreadyRegistered(WorkerId),
    /// Others have locked some of the files.
    #[error("{} of the files {} locked by other workers", .0.len(), if .0.len() == 1 { "is" } else { "are" })]
    LockHeld(Vec<LockConflict>),
    /// Postgres is away or refuses.
    #[error("asking Postgres")]
    Database(#[from] sqlx::Error),
    /// Redis is away or refuses.
    #[error("asking for file locks")]
    Locks(#[from] LocksFailed),
}

impl Error {
    /// A field is wrong.
    pub(crate) fn invalid(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid {
            field,
            problem: problem.into(),
            violations: Vec::new(),
        }
    }
}
