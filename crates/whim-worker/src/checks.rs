//! The project's tests: detected, prepared, run with limits, and counted.
//!
//! They run on a clean checkout of the pushed branch, without any secret in their environment.

mod counts;
mod detect;
mod run;

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use whim_core::FailureCause;
use whim_core::protocol::worker::TestReport;
use whim_service::chain::chain;

pub use self::counts::{Counts, counts};
pub use self::detect::{Plan, Step, detect};
use self::run::{Limits, StepEnd, StepResult};
use crate::child_env::ChildEnvironment;
use crate::memory::{self, Memory};
use crate::outcome::Failure;
use crate::text::tail;

/// Limit on the output in the reason of a failure.
const MAX_OUTPUT_CHARACTERS: usize = 4000;

/// The inputs of running a project's tests.
#[derive(Clone, Copy, Debug)]
pub struct Checks<'a> {
    /// The root of the project.
    pub directory: &'a Path,
    pub child_env: &'a ChildEnvironment,
    /// For each step.
    pub timeout: Duration,
    /// Between two progress reports of a running step.
    pub progress_interval: Duration,
}

impl Checks<'_> {
    /// Runs the project's tests. Returns `None` if it has none that Whim can run.
    ///
    /// `report_progress` is called with the running step and its elapsed time, at the start of each step and then
    /// periodically.
    ///
    /// # Errors
    /// A test failed, or the tests could not be run.
    pub async fn run(
        &self,
        mut report_progress: impl FnMut(&Step, Duration),
    ) -> Result<Option<TestReport>, Failure> {
        let plan = detect(self.directory, self.child_env.temporary()).map_err(|error| {
            Failure::new(
                FailureCause::Crash,
                format!("detecting the project's tests failed: {error}"),
            )
        })?;
        let Some(plan) = plan else {
            tracing::info!("the project has no tests that Whim can run");
            return Ok(None);
        };
        let memory = Memory::of_this_container();
        let kills_before = memory.kills();
        for step in &plan.preparation {
            let result = self.run_step(step, &mut report_progress).await?;
            if !result.is_success() {
                let message = format!("preparing the tests with `{step}` failed");
                let kills = memory.kills().saturating_sub(kills_before);
                return Err(failure(&message, &result, None, kills));
            }
        }
        let result = self.run_step(&plan.test, &mut report_progress).await?;
        let report = report(&plan, &result);
        if report.passed {
            return Ok(Some(report));
        }
        let counts = match (report.tests_failed, report.tests_passed) {
            (Some(failed), Some(passed)) if failed > 0 => format!(" ({failed} failed, {passed} passed)"),
            _ => String::new(),
        };
        let message = format!("the project's tests failed: `{}`{counts}", plan.test);
        let kills = memory.kills().saturating_sub(kills_before);
        Err(failure(&message, &result, Some(report), kills))
    }

    async fn run_step(
        &self,
        step: &Step,
        report_progress: &mut impl FnMut(&Step, Duration),
    ) -> Result<StepResult, Failure> {
        tracing::info!("running `{step}`");
        let limits = Limits {
            timeout: self.timeout,
            processes: run::MAX_PROCESSES,
        };
        let start = Instant::now();
        // The first tick completes immediately.
        let mut ticks = interval(self.progress_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut running = std::pin::pin!(run::run(step, self.directory, self.child_env, limits));
        let result = loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => report_progress(step, start.elapsed()),
                result = &mut running => break result,
            }
        };
        result.map_err(|error| {
            if error.is_not_found() {
                let program = step.program.display();
                return Failure::new(
                    FailureCause::WorkspaceUnusable,
                    format!(
                        "the project's tests need `{program}`, which is not installed where the worker runs"
                    ),
                );
            }
            Failure::new(
                FailureCause::Crash,
                format!("`{step}` could not be run: {}", chain(&error)),
            )
        })
    }
}

fn report(plan: &Plan, result: &StepResult) -> TestReport {
    let counts = if result.is_complete {
        counts(&result.output)
    } else {
        None
    };
    let passed = match result.end {
        StepEnd::Exited(code) => {
            code == Some(0) || code.is_some_and(|code| plan.success_codes.contains(&code))
        }
        StepEnd::TimedOut | StepEnd::TooManyProcesses => false,
    };
    TestReport {
        command: plan.test.to_string(),
        passed,
        tests_passed: counts.map(|counts| counts.passed),
        tests_failed: counts.map(|counts| counts.failed),
        duration_ms: u64::try_from(result.elapsed.as_millis()).unwrap_or(u64::MAX),
    }
}

/// `kills` is the number of processes killed by the OOM killer meanwhile. If there are any, the result says nothing about
/// the agent's changes.
fn failure(message: &str, result: &StepResult, tests: Option<TestReport>, kills: u64) -> Failure {
    let end = match result.end {
        StepEnd::Exited(Some(code)) => format!("exit code {code}"),
        StepEnd::Exited(None) => "killed by a signal".to_owned(),
        StepEnd::TimedOut => format!("timed out after {} s", result.elapsed.as_secs()),
        StepEnd::TooManyProcesses => {
            format!("terminated with more than {} processes", run::MAX_PROCESSES)
        }
    };
    let output = tail(result.output.trim(), MAX_OUTPUT_CHARACTERS);
    let (cause, details) = if kills > 0 {
        (FailureCause::OutOfMemory, format!("; {}", memory::told(kills)))
    } else {
        (FailureCause::TestsFailed, String::new())
    };
    Failure::Failed {
        cause,
        reason: format!("{message}; {end}{details}\n\n{output}"),
        retry_after: None,
        tests,
    }
}
