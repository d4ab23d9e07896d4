//! Domain types and the bodies of Whim's HTTP API.
//!
//! No I/O and no async: values are parsed at the edge and valid by construction. Types with a Postgres representation
//! implement the `sqlx` traits behind the feature `sqlx`, which only the orchestrator enables.

pub mod embedder;
pub mod failure;
pub mod ids;
pub mod names;
pub mod priority;
pub mod protocol;
pub mod redact;
pub mod retry;
pub mod source;
pub mod token;
pub mod work_item;
pub mod worker;

pub use failure::FailureCause;
pub use ids::{InvalidId, LearningId, LeaseEpoch, NoteId, ReviewId, WorkItemId, WorkerId};
pub use names::{
    BranchName, BranchPrefix, CommitHash, InvalidName, IssueNumber, RelativePath, RepoName, SourceName,
    UserName,
};
pub use priority::Priority;
pub use retry::RetryRule;
pub use token::{TokenHash, WorkerToken};
pub use work_item::WorkItemStatus;
pub use worker::{Stage, WorkerStatus};
