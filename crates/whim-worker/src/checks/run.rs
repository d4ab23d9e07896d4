//! Runs a command of the project with limits on its time, output and processes.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use whim_service::process::{CommandSpec, Ending, Finished, Orphans, RunError, descendants, run_bounded};

use super::plan::Step;
use crate::child_env::ChildEnvironment;

/// Limit on what is kept of each output stream, in bytes.
const OUTPUT_LIMIT: usize = 4 * 1024 * 1024;
/// More than a parallel build on a large machine needs.
pub(super) const MAX_PROCESSES: usize = 1000;
const PROCESS_POLL_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) timeout: Duration,
    pub(super) processes: usize,
}

#[derive(Debug)]
pub(super) struct StepResult {
    pub(super) end: StepEnd,
    /// Standard error and standard output, without terminal control sequences.
    pub(super) output: String,
    /// Whether no output was dropped.
    pub(super) is_complete: bool,
    pub(super) elapsed: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepEnd {
    /// Without a code if it was killed by a signal.
    Exited(Option<i32>),
    TimedOut,
    TooManyProcesses,
}

#[derive(Debug, thiserror::Error)]
#[error("running a command of the project")]
pub(super) struct StepError(#[source] RunError);

impl StepError {
    pub(super) fn is_not_found(&self) -> bool {
        match &self.0 {
            RunError::Spawn(error) => error.is_not_found(),
            RunError::Watch { .. } => false,
        }
    }
}

pub(super) async fn run(
    step: &Step,
    directory: &Path,
    child_env: &ChildEnvironment,
    limits: Limits,
) -> Result<StepResult, StepError> {
    let command = CommandSpec::new(&step.program).args(&step.arguments);
    let command = child_env
        .apply(command)
        // Without it, some runners watch for changes and do not exit.
        .env("CI", "true")
        .envs(step.environment.iter().cloned())
        .directory(directory)
        .orphans(Orphans::Adopted);
    let start = Instant::now();
    tokio::select! {
        finished = run_bounded(&command, limits.timeout, OUTPUT_LIMIT) => {
            finished.map(StepResult::from).map_err(StepError)
        }
        // Dropping the other branch kills all processes.
        () = too_many_processes(limits.processes) => Ok(StepResult {
            end: StepEnd::TooManyProcesses,
            output: String::new(),
            is_complete: false,
            elapsed: start.elapsed(),
        }),
    }
}

async fn too_many_processes(limit: usize) {
    loop {
        sleep(PROCESS_POLL_INTERVAL).await;
        match descendants(std::process::id()) {
            Ok(found) if found.len() > limit => return,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "failed to count the processes of the tests"),
        }
    }
}

impl From<Finished> for StepResult {
    fn from(finished: Finished) -> Self {
        let (stdout, stderr) = (finished.stdout.text(), finished.stderr.text());
        // Test results are on standard output, which comes last because the end of the output is reported.
        let output = [stderr.trim_end(), stdout.trim_end()]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join("\n");
        Self {
            end: match finished.ending {
                Ending::Exited(status) => StepEnd::Exited(status.code()),
                Ending::TimedOut => StepEnd::TimedOut,
            },
            output: strip_terminal_codes(&output),
            is_complete: finished.stdout.dropped() == 0 && finished.stderr.dropped() == 0,
            elapsed: finished.elapsed,
        }
    }
}

/// Removes colours and cursor movements (`ESC [ … letter`) and other control characters.
fn strip_terminal_codes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            if characters.next_if_eq(&'[').is_some() {
                // Parameters, then a final byte.
                while characters.next_if(|next| !('@'..='~').contains(next)).is_some() {}
            }
            characters.next();
        } else if !character.is_control() || matches!(character, '\n' | '\t') {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use whim_service::environment::Environment;

    use super::*;

    #[tokio::test]
    async fn a_step_with_too_many_processes_is_terminated() {
        let directory = tempfile::tempdir().unwrap();
        let script = "for n in 1 2 3 4 5 6 7 8; do sleep 1000 & done; wait";
        let child_env = ChildEnvironment::read(&mut Environment::from_pairs::<&str, &str>([]));
        let limits = Limits {
            timeout: Duration::from_mins(1),
            processes: 5,
        };

        let result = run(
            &Step::new("sh", ["-c", script]),
            directory.path(),
            &child_env,
            limits,
        )
        .await
        .unwrap();

        assert_eq!(result.end, StepEnd::TooManyProcesses);
        let running = || descendants(std::process::id()).unwrap();
        while !running().is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    }

    #[test]
    fn terminal_codes_are_removed() {
        let coloured =
            "\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[31m1 failed\u{1b}[39m\r\n\u{1b}[2K\0done";
        assert_eq!(strip_terminal_codes(coloured), "      Tests  1 failed\ndone");
    }
}
