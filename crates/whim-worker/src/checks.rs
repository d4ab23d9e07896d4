//! The project's own tests: found, prepared, run with limits, and counted.
//!
//! They run on a clean checkout of what was pushed, because that is what is delivered, and with no secret at all.

mod counts;
mod detect;
mod run;

use std::path::Path;
use std::time::Duration;

use whim_core::FailureCause;
use whim_core::protocol::worker::TestReport;
use whim_service::chain::chain;

pub use self::counts::{Counts, counts};
pub use self::detect::{Plan, Step, detect};
use self::run::{Limits, Ran, StepEnd};
use crate::memory::{self, Memory};
use crate::outcome::Failure;
use crate::surroundings::Surroundings;
use crate::text::tail;

/// So much of the output goes into the reason.
const MAX_OUTPUT_CHARACTERS: usize = 4000;

/// Runs the tests of the project in `directory`; `None` when it has none that Whim knows how to run.
///
/// # Errors
/// They are red, or could not be run.
pub async fn check(
    directory: &Path,
    surroundings: &Surroundings,
    time_limit: Duration,
) -> Result<Option<TestReport>, Failure> {
    let plan = detect(directory, surroundings.temporary()).map_err(|error| {
        Failure::new(
            FailureCause::Crash,
            format!("looking for the project's tests failed: {error}"),
        )
    })?;
    let Some(plan) = plan else {
        tracing::info!("the project has no tests that Whim knows how to run");
        return Ok(None);
    };
    let memory = Memory::of_this_container();
    let kills_before = memory.kills();
    let limits = Limits {
        time: time_limit,
        processes: run::MAX_PROCESSES,
    };
    for step in &plan.preparation {
        let ran = run_step(step, directory, surroundings, limits).await?;
        if !ran.is_success() {
            let what = format!("preparing the tests with `{step}` failed");
            return Err(failure(
                &what,
                &ran,
                None,
                memory.kills().saturating_sub(kills_before),
            ));
        }
    }
    let ran = run_step(&plan.test, directory, surroundings, limits).await?;
    let report = report(&plan, &ran);
    if report.passed {
        return Ok(Some(report));
    }
    let counted = match (report.tests_failed, report.tests_passed) {
        (Some(failed), Some(passed)) if failed > 0 => format!(" ({failed} failed, {passed} passed)"),
        _ => String::new(),
    };
    let what = format!("the project's tests are red: `{}`{counted}", plan.test);
    Err(failure(
        &what,
        &ran,
        Some(report),
        memory.kills().saturating_sub(kills_before),
    ))
}

async fn run_step(
    step: &Step,
    directory: &Path,
    surroundings: &Surroundings,
    limits: Limits,
) -> Result<Ran, Failure> {
    tracing::info!("running `{step}`");
    run::run(step, directory, surroundings, limits)
        .await
        .map_err(|error| {
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

fn report(plan: &Plan, ran: &Ran) -> TestReport {
    let counts = if ran.is_whole { counts(&ran.output) } else { None };
    let passed = match ran.end {
        StepEnd::Exited(code) => code == Some(0) || code.is_some_and(|code| plan.green_codes.contains(&code)),
        StepEnd::TimedOut | StepEnd::TooManyProcesses => false,
    };
    TestReport {
        command: plan.test.to_string(),
        passed,
        tests_passed: counts.map(|counts| counts.passed),
        tests_failed: counts.map(|counts| counts.failed),
        duration_ms: u64::try_from(ran.elapsed.as_millis()).unwrap_or(u64::MAX),
    }
}

/// `kills` is how many processes were killed for want of memory meanwhile: then red tests say nothing about the work.
fn failure(what: &str, ran: &Ran, tests: Option<TestReport>, kills: u64) -> Failure {
    let end = match ran.end {
        StepEnd::Exited(Some(code)) => format!("exit code {code}"),
        StepEnd::Exited(None) => "ended by a signal".to_owned(),
        StepEnd::TimedOut => format!("ended after {} s", ran.elapsed.as_secs()),
        StepEnd::TooManyProcesses => {
            format!("ended, because it had more than {} processes", run::MAX_PROCESSES)
        }
    };
    let output = tail(ran.output.trim(), MAX_OUTPUT_CHARACTERS);
    let (cause, why) = if kills > 0 {
        (FailureCause::OutOfMemory, format!("; {}", memory::told(kills)))
    } else {
        (FailureCause::TestsFailed, String::new())
    };
    Failure::Failed {
        cause,
        reason: format!("{what}; {end}{why}\n\n{output}"),
        retry_after: None,
        tests,
    }
}
