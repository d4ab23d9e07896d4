//! Work items and their texts.
//!
//! A transaction that changes an item and its worker locks the item first: one lock order cannot deadlock.

mod claim;
mod counts;
mod insert;
mod lock;
mod queue_stats;
mod requeue;
mod retries;
mod specs;
mod task_counts;
mod transitions;
mod view;

pub use self::claim::{
    Candidate, Claimed, Exclusions, GatewayTokenHashes, NewWorker, claim, claim_one, next_excluding,
};
pub use self::counts::{by_priority, by_status, compact_counts};
pub use self::insert::{
    Inserted, InsertedItem, LIVE_BRANCH_KEY, NewItem, insert, insert_batch, live_on_branch,
};
pub use self::lock::{Locked, lock, lock_of_worker};
pub use self::queue_stats::{QueueStats, queue_stats};
pub use self::requeue::{NextRun, requeue, set_approval};
pub use self::retries::spent as retries_spent;
pub use self::specs::{defer_spec, fail_spec, submit_spec};
pub use self::task_counts::TaskCounts;
pub use self::transitions::{
    NextAttempt, cancel, complete, fail, mark_in_progress, record_progress, release_due_retries,
    requeue_after_failure, set_priority,
};
pub use self::view::{Task, ahead, exists, find, next_without_spec, page, queue, task};
