//! Iterations and token sums that a worker reports.

use ralph_contract::IterationStats;

/// An iteration, limited to what the worker may use: a larger one is a defect of the worker and must not use up the
/// day's budget.
pub(super) fn bounded(iteration: u32, max_iterations: u32) -> i32 {
    i32::try_from(iteration.min(max_iterations)).unwrap_or(i32::MAX)
}

/// Sums never decrease: empty ones were left out, and do not replace what was reported before.
pub(super) fn reported(stats: &IterationStats) -> Option<&IterationStats> {
    (*stats != IterationStats::default()).then_some(stats)
}
