//! Decides what the results of a check on the head and on the base say about the change.

use whim_core::protocol::checks::{BaseOutcome, CheckOutcome};

use super::counts::Counts;
use super::execute::{Execution, ExecutionResult};

/// The result of a check on the base of the branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// The base has no such check.
    Absent,
    Executed(Execution),
}

impl Base {
    pub(super) fn outcome(&self) -> Option<BaseOutcome> {
        match self {
            Self::Absent => None,
            Self::Executed(execution) => Some(match execution.result {
                ExecutionResult::Passed => BaseOutcome::Passed,
                ExecutionResult::Failed => BaseOutcome::Failed,
                ExecutionResult::Unprepared
                | ExecutionResult::ToolMissing { .. }
                | ExecutionResult::RegistryUnreachable { .. } => BaseOutcome::CouldNotRun,
            }),
        }
    }
}

/// The outcome of a check that did not pass on the head. The change is responsible only for what works without it.
pub(super) fn of_failure(head: &Execution, base: &Base) -> CheckOutcome {
    match (&head.result, base) {
        (ExecutionResult::Passed, _) => CheckOutcome::Passed,
        (ExecutionResult::Failed, Base::Executed(base)) => match base.result {
            ExecutionResult::Failed if !is_worse(head.counts, base.counts) => CheckOutcome::FailedOnBase,
            // Without a result of the base, nothing is known about the change.
            ExecutionResult::RegistryUnreachable { .. } => CheckOutcome::CouldNotRun,
            ExecutionResult::Passed
            | ExecutionResult::Failed
            | ExecutionResult::Unprepared
            | ExecutionResult::ToolMissing { .. } => CheckOutcome::Failed,
        },
        (ExecutionResult::Failed | ExecutionResult::Unprepared, Base::Absent) => CheckOutcome::Failed,
        (
            ExecutionResult::Unprepared
            | ExecutionResult::ToolMissing { .. }
            | ExecutionResult::RegistryUnreachable { .. },
            Base::Executed(base),
        ) if base.result.ran() => CheckOutcome::Failed,
        (
            ExecutionResult::Unprepared
            | ExecutionResult::ToolMissing { .. }
            | ExecutionResult::RegistryUnreachable { .. },
            _,
        ) => CheckOutcome::CouldNotRun,
    }
}

/// Whether the change fails more than the base, as far as the test runner counts tests: more failures, fewer tests than passed
/// before, or no counts at all, as after a failed build or a timeout.
fn is_worse(head: Option<Counts>, base: Option<Counts>) -> bool {
    match (head, base) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(head), Some(base)) => {
            head.failed > base.failed || head.passed.saturating_add(head.failed) < base.passed
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::execute::End;
    use super::*;

    fn execution(result: ExecutionResult, failed: Option<u32>) -> Execution {
        Execution {
            result,
            command: "npm test".to_owned(),
            end: End::NotStarted,
            counts: failed.map(|failed| Counts { passed: 3, failed }),
            output: String::new(),
            elapsed: Duration::ZERO,
        }
    }

    #[test]
    fn only_what_works_without_the_change_is_a_failure_of_the_change() {
        let passed = || execution(ExecutionResult::Passed, Some(0));
        let failed = |count| execution(ExecutionResult::Failed, count);
        let error_of_collection = || Execution {
            counts: Some(Counts { passed: 0, failed: 1 }),
            ..failed(None)
        };
        let unprepared = || execution(ExecutionResult::Unprepared, None);
        let tool = || {
            let program = "go".to_owned();
            execution(ExecutionResult::ToolMissing { program }, None)
        };
        let registry = || {
            let line = "npm error code ENOTFOUND".to_owned();
            execution(ExecutionResult::RegistryUnreachable { line }, None)
        };
        for (head, base, expected) in [
            (failed(None), Some(passed()), CheckOutcome::Failed),
            (failed(None), None, CheckOutcome::Failed),
            (failed(None), Some(failed(None)), CheckOutcome::FailedOnBase),
            (failed(None), Some(failed(Some(1))), CheckOutcome::Failed),
            (error_of_collection(), Some(failed(Some(1))), CheckOutcome::Failed),
            (failed(Some(2)), Some(failed(Some(2))), CheckOutcome::FailedOnBase),
            (failed(Some(1)), Some(failed(Some(2))), CheckOutcome::FailedOnBase),
            (failed(Some(3)), Some(failed(Some(2))), CheckOutcome::Failed),
            (failed(Some(3)), Some(failed(None)), CheckOutcome::FailedOnBase),
            (failed(None), Some(unprepared()), CheckOutcome::Failed),
            (failed(None), Some(tool()), CheckOutcome::Failed),
            (failed(None), Some(registry()), CheckOutcome::CouldNotRun),
            (unprepared(), Some(passed()), CheckOutcome::Failed),
            (unprepared(), Some(failed(None)), CheckOutcome::Failed),
            (unprepared(), Some(unprepared()), CheckOutcome::CouldNotRun),
            (unprepared(), Some(registry()), CheckOutcome::CouldNotRun),
            (unprepared(), None, CheckOutcome::Failed),
            (tool(), Some(tool()), CheckOutcome::CouldNotRun),
            (tool(), Some(passed()), CheckOutcome::Failed),
            (tool(), None, CheckOutcome::CouldNotRun),
            (registry(), Some(registry()), CheckOutcome::CouldNotRun),
            (registry(), Some(passed()), CheckOutcome::Failed),
            (registry(), None, CheckOutcome::CouldNotRun),
        ] {
            let base = base.map_or(Base::Absent, Base::Executed);
            assert_eq!(of_failure(&head, &base), expected, "{head:?} {base:?}");
        }
    }
}
