//! Domain types and the bodies of Whim's HTTP interface.
//!
//! No input or output and no async here: everything is a value that parses at the edge and is trusted inside.
//! Types that travel to Postgres carry their `sqlx` mapping behind the feature `sqlx`, which only the
//! orchestrator turns on.

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

pub use failure::{FailureCause, RetryRule};
pub use ids::{InvalidId, LearningId, LeaseEpoch, ReviewId, WorkItemId, WorkerId};
pub use names::{
    BranchName, CommitHash, InvalidName, IssueNumber, RelativePath, RepoName, SourceName, UserName,
};
pub use priority::Priority;
pub use token::WorkerToken;
pub use work_item::WorkItemStatus;
pub use worker::{Stage, WorkerStatus};
