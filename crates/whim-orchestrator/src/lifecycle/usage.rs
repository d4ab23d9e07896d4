//! Iterations and token sums that a worker reports.

use whim_core::protocol::stats::WorkerStats;

/// An iteration, limited to what the worker may use: a larger one is a defect of the worker and must not use up the
/// day's budget.
pub(super) fn bounded(iteration: u32, max_iterations: u32) -> i32 {
    i32::try_from(iteration.min(max_iterations)).unwrap_or(i32::MAX)
}

/// Sums never decrease: empty ones were left out, and do not replace what was reported before.
pub(super) fn reported(stats: &WorkerStats) -> Option<&WorkerStats> {
    (*stats != WorkerStats::default()).then_some(stats)
}
