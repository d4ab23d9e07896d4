//! Errors of the orchestrator's operations.

use whim_core::protocol::worker::LockConflict;
use whim_core::{BranchName, LearningId, LeaseEpoch, WorkItemId, WorkItemStatus, WorkerId, WorkerStatus};

use crate::locks::LocksFailed;

/// Why an operation was refused or failed. Only the last two variants are faults; the others are responses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the request is invalid.
    #[error("{field}: {problem}")]
    Invalid {
        /// Name in the request.
        field: &'static str,
        /// The value and what it may be.
        problem: String,
        /// Conventions that a spec violates; empty for other fields.
        violations: Vec<String>,
    },
    #[error("there is no work item {0}")]
    NoSuchItem(WorkItemId),
    /// The item has no attempt with this lease epoch.
    #[error("work item {item} has no attempt {attempt}")]
    NoSuchAttempt { item: WorkItemId, attempt: LeaseEpoch },
    /// What a worker sent is larger than its limit.
    #[error("{what} is larger than {max_bytes} bytes")]
    TooLarge { what: &'static str, max_bytes: u64 },
    #[error("there is no learning {0}")]
    NoSuchLearning(LearningId),
    #[error("there is no worker {0}")]
    NoSuchWorker(WorkerId),
    /// The item's state does not allow the operation.
    #[error("a work item that is {now} cannot be {asked}")]
    ItemState {
        now: WorkItemStatus,
        /// The operation, as a participle.
        asked: &'static str,
    },
    /// No agent would get the note.
    #[error(
        "a work item that is {now} takes no notes, because no agent works on it: requeue it, with the words in its issue or \
         its description"
    )]
    NoteAfterEnd { now: WorkItemStatus },
    #[error("the run has {limit} notes, which is the limit: put further words into its issue or its spec")]
    TooManyNotes { limit: u32 },
    /// The request names a run that is not the item's current one.
    #[error("the request is about run {requested} of the work item, which is in run {current}")]
    OtherRun {
        requested: u32,
        current: u32,
        now: WorkItemStatus,
    },
    /// The worker's state does not allow the operation.
    #[error("a worker that is {now} cannot {asked}")]
    WorkerState {
        now: WorkerStatus,
        /// The operation, as an infinitive.
        asked: &'static str,
    },
    /// Another live item works on the branch.
    #[error("another work item that has not ended works on branch {branch}")]
    BranchInUse {
        branch: BranchName,
        /// `None` when that item has ended since.
        holder: Option<WorkItemId>,
    },
    /// The item was taken away from the worker.
    #[error("worker {worker} no longer has its work item and has to stop")]
    LeaseLost {
        worker: WorkerId,
        /// The item's state, if known.
        now: Option<WorkItemStatus>,
    },
    #[error("another process has registered as worker {0}")]
    AlreadyRegistered(WorkerId),
    /// Other workers hold locks of some of the files.
    #[error("{} of the files {} locked by other workers", .0.len(), if .0.len() == 1 { "is" } else { "are" })]
    LockHeld(Vec<LockConflict>),
    /// Postgres is unavailable or refused a statement.
    #[error("querying Postgres")]
    Database(#[from] sqlx::Error),
    /// Redis is unavailable or refused a command.
    #[error("accessing file locks")]
    Locks(#[from] LocksFailed),
}

impl Error {
    /// An invalid field without violations of spec conventions.
    pub(crate) fn invalid(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid {
            field,
            problem: problem.into(),
            violations: Vec::new(),
        }
    }
}
