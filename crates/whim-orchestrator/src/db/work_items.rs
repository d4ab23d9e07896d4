//! Work items and their texts.
//!
//! Whoever changes an item and its worker in one transaction locks the item first: with one order there is no
//! deadlock.

mod claim;
mod counts;
mod insert;
mod lock;
mod queue_stats;
mod transitions;
mod view;

pub use self::claim::{Candidate, Claimed, Exclusions, NewWorker, claim, claim_one, next_excluding};
pub use self::counts::{by_priority, by_status, compact_counts};
pub use self::insert::{Inserted, LIVE_BRANCH_KEY, NewItem, insert, live_on_branch};
pub use self::lock::{Locked, lock, lock_of_worker};
pub use self::queue_stats::{QueueStats, queue_stats};
pub use self::transitions::{
    NextAttempt, NextRun, cancel, complete, delay_spec, fail, fail_spec, hand_in_spec, mark_in_progress,
    record_progress, release_due_retries, requeue, requeue_after_failure,
};
pub use self::view::{Task, ahead, find, next_without_spec, page, queue, task};

/// How far a checklist is: what the hot row keeps of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// All tasks.
    pub total: i32,
    /// Those that are ticked.
    pub done: i32,
}

impl TaskCounts {
    /// Counts the tasks of a checklist.
    pub fn of(spec: &ralph_contract::SpecDocument) -> Self {
        let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        Self {
            total: count(spec.tasks().len()),
            done: count(spec.done_count()),
        }
    }
}
