//! Progress of a checklist, as far as the hot row has it.

use ralph_contract::SpecDocument;

/// Number of tasks of a checklist, and how many of them are ticked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    pub total: i32,
    pub done: i32,
}

impl TaskCounts {
    pub fn of(spec: &SpecDocument) -> Self {
        let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        Self {
            total: count(spec.tasks().len()),
            done: count(spec.done_count()),
        }
    }
}
