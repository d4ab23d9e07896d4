//! Work items and their texts.
//!
//! Whoever changes an item and its worker in one transaction locks the item first: with one order there is no
//! deadlock.

mod change;
mod claim;
mod counts;
mod depth;
mod insert;
mod lock;
mod view;

pub use self::change::{
    NextAttempt, NextRun, assign_to_running, cancel, complete, delay_spec, end_waits, fail, fail_spec,
    hand_in_spec, put_back, record_progress, requeue,
};
pub use self::claim::{Claimed, First, NewWorker, claim, claim_one, first_of_others};
pub use self::counts::{add_up_counts, by_priority, by_status};
pub use self::depth::{Depth, depth};
pub use self::insert::{Inserted, LIVE_BRANCH_KEY, NewItem, insert, live_on_branch};
pub use self::lock::{Locked, lock, lock_of_worker};
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
