//! The results of checks, for the orchestrator, the agent and people.

use std::fmt;
use std::time::Duration;

use whim_core::protocol::checks::{BaseOutcome, CheckOutcome, CheckReport, TestReport};

use super::counts::Counts;
use super::execute::{Execution, ExecutionResult};
use super::plan::Check;

/// The outcome of a check with what led to it.
pub(super) struct Judged<'c> {
    pub(super) check: &'c Check,
    pub(super) outcome: CheckOutcome,
    pub(super) base: Option<BaseOutcome>,
    /// On the head.
    pub(super) execution: Execution,
    /// What a package manager printed that could not reach its registry, on the head or on the base.
    pub(super) unreachable: Option<String>,
}

/// The results of all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub report: TestReport,
    /// The required checks that fail because of the change.
    pub failed: Vec<FailedCheck>,
    /// What a package manager printed, if a required check could not run because a registry cannot be reached.
    pub unreachable_registry: Option<String>,
}

/// A check that fails because of the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedCheck {
    pub name: String,
    /// The command that failed: the check itself, or one that prepares it.
    pub command: String,
    /// The directory of the command, relative to the root of the repository; empty for the root.
    pub directory: String,
    /// How it ended, for people.
    pub reason: String,
    pub counts: Option<Counts>,
    /// The end of the output.
    pub output: String,
}

/// Without the output.
impl fmt::Display for FailedCheck {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the check `{}` failed: `{}`", self.name, self.command)?;
        if !self.directory.is_empty() {
            write!(formatter, " in `{}`", self.directory)?;
        }
        if let Some(Counts { passed, failed }) = self.counts
            && failed > 0
        {
            write!(formatter, " ({failed} failed, {passed} passed)")?;
        }
        write!(formatter, "; {}", self.reason)
    }
}

pub(super) fn checked(results: &[Judged<'_>]) -> Checked {
    let is_required_failure =
        |judged: &&Judged<'_>| judged.check.required && judged.outcome == CheckOutcome::Failed;
    let failed: Vec<FailedCheck> = results
        .iter()
        .filter(is_required_failure)
        .map(failed_check)
        .collect();
    let unreachable_registry = results
        .iter()
        .filter(|judged| judged.check.required && judged.outcome == CheckOutcome::CouldNotRun)
        .find_map(|judged| judged.unreachable.clone());
    Checked {
        report: test_report(results, failed.is_empty()),
        failed,
        unreachable_registry,
    }
}

fn test_report(results: &[Judged<'_>], passed: bool) -> TestReport {
    let commands: Vec<String> = results
        .iter()
        .map(|judged| judged.check.test.to_string())
        .collect();
    let counts = || results.iter().filter_map(|judged| judged.execution.counts);
    let sum = |count: fn(Counts) -> u32| {
        counts().map(count).fold(None, |sum: Option<u32>, count| {
            Some(sum.unwrap_or(0).saturating_add(count))
        })
    };
    let elapsed: Duration = results.iter().map(|judged| judged.execution.elapsed).sum();
    TestReport {
        command: commands.join("; "),
        passed,
        tests_passed: sum(|counts| counts.passed),
        tests_failed: sum(|counts| counts.failed),
        duration_ms: milliseconds(elapsed),
        checks: results.iter().map(check_report).collect(),
    }
}

fn check_report(judged: &Judged<'_>) -> CheckReport {
    let Judged {
        check,
        outcome,
        base,
        execution,
        ..
    } = judged;
    CheckReport {
        name: check.name.clone(),
        command: execution.command.clone(),
        outcome: *outcome,
        required: check.required,
        tests_passed: execution.counts.map(|counts| counts.passed),
        tests_failed: execution.counts.map(|counts| counts.failed),
        duration_ms: milliseconds(execution.elapsed),
        base_outcome: *base,
        reason: (*outcome != CheckOutcome::Passed).then(|| reason(judged)),
    }
}

fn failed_check(judged: &Judged<'_>) -> FailedCheck {
    let Judged { check, execution, .. } = judged;
    FailedCheck {
        name: check.name.clone(),
        command: execution.command.clone(),
        directory: check.directory.to_string_lossy().into_owned(),
        reason: reason(judged),
        counts: execution.counts,
        output: execution.output.clone(),
    }
}

/// Why the check did not pass on the head, and what that means.
fn reason(judged: &Judged<'_>) -> String {
    let Execution { result, end, .. } = &judged.execution;
    let on_head = match result {
        ExecutionResult::Passed | ExecutionResult::Failed => end.to_string(),
        ExecutionResult::Unprepared => format!("it prepares the check; {end}"),
        ExecutionResult::ToolMissing { program } => {
            format!("`{program}` is not installed where the worker runs")
        }
        ExecutionResult::RegistryUnreachable { line } => {
            format!("a package registry cannot be reached: {line}")
        }
    };
    match (judged.outcome, judged.base) {
        (CheckOutcome::Failed, Some(BaseOutcome::Passed)) => format!("{on_head}; it passes on the base"),
        (CheckOutcome::Failed, Some(BaseOutcome::Failed)) => {
            format!("{on_head}; fewer tests fail on the base")
        }
        (CheckOutcome::FailedOnBase, _) => format!("{on_head}; it fails on the base as well"),
        (CheckOutcome::CouldNotRun, Some(_)) if *result == ExecutionResult::Unprepared => {
            format!("{on_head}; it fails on the base as well")
        }
        (
            CheckOutcome::Passed | CheckOutcome::Failed | CheckOutcome::CouldNotRun,
            None | Some(BaseOutcome::Passed | BaseOutcome::Failed | BaseOutcome::CouldNotRun),
        ) => on_head,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
