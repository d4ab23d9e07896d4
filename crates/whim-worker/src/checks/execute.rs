//! Runs checks in one checkout.

use std::fs::create_dir_all;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use whim_core::FailureCause;
use whim_core::protocol::worker::HEARTBEATS_PER_TEST_PROGRESS;
use whim_service::chain::chain;

use super::counts::{Counts, counts};
use super::plan::{Check, Plan, Step};
use super::registry::unreachable_registry;
use super::run::{self, Limits, MAX_PROCESSES, StepEnd, StepResult};
use super::tools::{Tools, program, programs_directory};
use crate::child_env::ChildEnvironment;
use crate::config::Config;
use crate::outcome::Failure;
use crate::text::tail;
use crate::workspace::Checkout;

/// Limit on the output that is kept of a command.
const MAX_OUTPUT_CHARACTERS: usize = 4000;
/// Exit codes of a shell that cannot run a command.
const NOT_RUNNABLE: [i32; 2] = [126, 127];

/// How checks are run.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// For each command.
    pub timeout: Duration,
    /// Between two progress reports of a running command.
    pub progress_interval: Duration,
}

impl Limit {
    pub fn of(config: &Config) -> Self {
        Self {
            timeout: config.test_timeout,
            progress_interval: config.reporting.heartbeat * HEARTBEATS_PER_TEST_PROGRESS,
        }
    }
}

/// The result of a check in one checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Execution {
    pub(super) result: ExecutionResult,
    /// The command that decided.
    pub(super) command: String,
    pub(super) end: End,
    pub(super) counts: Option<Counts>,
    /// The end of the output, without paths of this machine.
    pub(super) output: String,
    pub(super) elapsed: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ExecutionResult {
    Passed,
    Failed,
    /// A command that prepares the check failed.
    Unprepared,
    /// A program is not installed.
    ToolMissing {
        program: String,
    },
    /// A package manager could not reach its registry; the line that says so.
    RegistryUnreachable {
        line: String,
    },
}

impl ExecutionResult {
    /// Whether the test itself ran.
    pub(super) fn ran(&self) -> bool {
        matches!(self, Self::Passed | Self::Failed)
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Ended(StepEnd, Duration),
    NotStarted,
}

impl std::fmt::Display for End {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ended(StepEnd::Exited(Some(code)), _) => write!(formatter, "exit code {code}"),
            Self::Ended(StepEnd::Exited(None), _) => formatter.write_str("killed by a signal"),
            Self::Ended(StepEnd::TimedOut, elapsed) => {
                write!(formatter, "timed out after {} s", elapsed.as_secs())
            }
            Self::Ended(StepEnd::TooManyProcesses, _) => {
                write!(formatter, "terminated with more than {MAX_PROCESSES} processes")
            }
            Self::NotStarted => formatter.write_str("not started"),
        }
    }
}

/// Runs the commands of one checkout. `report_progress` is called with the running command and its elapsed time, at the
/// start of each command and then periodically.
pub(super) struct Executor<'a, Report> {
    checkout: &'a Checkout,
    child_env: ChildEnvironment,
    limit: Limit,
    report_progress: Report,
    /// The failure of the setup, which is that of every check.
    setup: Option<Execution>,
}

impl<'a, Report: FnMut(&Step, Duration)> Executor<'a, Report> {
    /// Runs the setup of the plan.
    ///
    /// # Errors
    /// A failure of this machine.
    pub(super) async fn prepare(
        checkout: &'a Checkout,
        child_env: ChildEnvironment,
        limit: Limit,
        plan: &Plan,
        report_progress: Report,
    ) -> Result<Self, Failure> {
        create_dir_all(programs_directory(&checkout.state))
            .map_err(|error| Failure::of_machine(format!("creating a directory for the checks: {error}")))?;
        let mut executor = Self {
            checkout,
            child_env,
            limit,
            report_progress,
            setup: None,
        };
        executor.setup = executor
            .run_preparation(&plan.setup, Path::new(""), limit.timeout)
            .await?;
        Ok(executor)
    }

    /// The failure of the setup, if it failed.
    pub(super) fn setup_failure(&self) -> Option<&Execution> {
        self.setup.as_ref()
    }

    /// # Errors
    /// A failure of this machine.
    pub(super) async fn run(&mut self, check: &Check) -> Result<Execution, Failure> {
        if let Some(failure) = &self.setup {
            return Ok(failure.clone());
        }
        if !self.checkout.directory.join(&check.directory).is_dir() {
            return Ok(Execution {
                result: ExecutionResult::Unprepared,
                command: check.test.to_string(),
                end: End::NotStarted,
                counts: None,
                output: format!("the directory `{}` does not exist", check.directory.display()),
                elapsed: Duration::ZERO,
            });
        }
        let timeout = check
            .timeout
            .map_or(self.limit.timeout, |own| own.min(self.limit.timeout));
        if let Some(failure) = self
            .run_preparation(&check.preparation, &check.directory, timeout)
            .await?
        {
            return Ok(failure);
        }
        let ran = self.run_step(&check.test, &check.directory, timeout).await?;
        Ok(self.execution(&check.test, ran, |code, output, counts| {
            if code.is_some_and(|code| code == 0 || check.success_codes.contains(&code)) {
                return ExecutionResult::Passed;
            }
            let unreachable = || unreachable_registry(output).filter(|_| check.downloads && counts.is_none());
            match unreachable() {
                Some(line) => ExecutionResult::RegistryUnreachable { line },
                None => ExecutionResult::Failed,
            }
        }))
    }

    /// The first failure of commands that prepare a check; `None` if there is none.
    async fn run_preparation(
        &mut self,
        steps: &[Step],
        directory: &Path,
        timeout: Duration,
    ) -> Result<Option<Execution>, Failure> {
        for step in steps {
            let ran = self.run_step(step, directory, timeout).await?;
            let execution = self.execution(step, ran, |code, output, _counts| {
                if code == Some(0) {
                    return ExecutionResult::Passed;
                }
                match unreachable_registry(output) {
                    Some(line) => ExecutionResult::RegistryUnreachable { line },
                    None => ExecutionResult::Unprepared,
                }
            });
            if execution.result != ExecutionResult::Passed && !step.may_fail {
                return Ok(Some(execution));
            }
        }
        Ok(None)
    }

    /// Judges a command that was started; `judge` receives its exit code, output and counts.
    fn execution(
        &self,
        step: &Step,
        ran: Ran,
        judge: impl FnOnce(Option<i32>, &str, Option<Counts>) -> ExecutionResult,
    ) -> Execution {
        let command = step.to_string();
        let result = match ran {
            Ran::Finished(result) => result,
            Ran::NotFound => {
                let program = step.program.to_string_lossy().into_owned();
                return Execution {
                    result: ExecutionResult::ToolMissing { program },
                    command,
                    end: End::NotStarted,
                    counts: None,
                    output: String::new(),
                    elapsed: Duration::ZERO,
                };
            }
        };
        let code = match result.end {
            StepEnd::Exited(code) => code,
            StepEnd::TimedOut | StepEnd::TooManyProcesses => None,
        };
        let counts = Some(&result)
            .filter(|result| result.is_complete)
            .and_then(|result| counts(&result.output));
        // If its own program is there, the exit code comes from something that it ran.
        let tools = Tools::on(self.child_env.search_path());
        let is_started = program(step).is_some_and(|program| tools.has(program));
        let is_not_runnable = step.shell_command().is_some()
            && !is_started
            && code.is_some_and(|code| NOT_RUNNABLE.contains(&code));
        let verdict = if is_not_runnable {
            let program = command.clone();
            ExecutionResult::ToolMissing { program }
        } else {
            judge(code, &result.output, counts)
        };
        Execution {
            result: verdict,
            command,
            end: End::Ended(result.end, result.elapsed),
            counts,
            output: self.shown_output(&result),
            elapsed: result.elapsed,
        }
    }

    /// The end of the output. Paths of the checkout become relative, because they mean nothing elsewhere.
    fn shown_output(&self, result: &StepResult) -> String {
        let mut output = tail(result.output.trim(), MAX_OUTPUT_CHARACTERS).to_owned();
        // The longer path first: one begins with the other.
        for (path, shown) in [(&self.checkout.state, "[state]"), (&self.checkout.directory, ".")] {
            output = output.replace(&*path.to_string_lossy(), shown);
        }
        output
    }

    async fn run_step(&mut self, step: &Step, directory: &Path, timeout: Duration) -> Result<Ran, Failure> {
        tracing::info!("running `{step}`");
        let limits = Limits {
            timeout,
            processes: MAX_PROCESSES,
        };
        let directory = self.checkout.directory.join(directory);
        let start = Instant::now();
        // The first tick completes immediately.
        let mut ticks = interval(self.limit.progress_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut running = std::pin::pin!(run::run(step, &directory, &self.child_env, limits));
        let result = loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => (self.report_progress)(step, start.elapsed()),
                result = &mut running => break result,
            }
        };
        match result {
            Ok(result) => Ok(Ran::Finished(result)),
            Err(error) if error.is_not_found() => Ok(Ran::NotFound),
            Err(error) => Err(Failure::new(
                FailureCause::Crash,
                format!("`{step}` could not be run: {}", chain(&error)),
            )),
        }
    }
}

enum Ran {
    Finished(StepResult),
    NotFound,
}
