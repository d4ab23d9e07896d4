//! One command of the project's, with limits on its time, its output and its processes.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use whim_service::process::{CommandSpec, Ending, Finished, Orphans, RunError, descendants, run_bounded};

use super::detect::Step;
use crate::surroundings::Surroundings;

/// Kept of each output stream.
const OUTPUT_LIMIT: usize = 4 * 1024 * 1024;
/// More than a parallel build on a large machine has; a fork bomb passes it at once.
pub(super) const MAX_PROCESSES: usize = 1000;
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a step may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) time: Duration,
    pub(super) processes: usize,
}

/// What running a step came to.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) end: StepEnd,
    /// Both output streams, without control sequences of terminals.
    pub(super) output: String,
    /// Whether nothing of the output was dropped.
    pub(super) is_whole: bool,
    pub(super) elapsed: Duration,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepEnd {
    /// By itself; without a code by a signal.
    Exited(Option<i32>),
    TimedOut,
    TooManyProcesses,
}

impl Ran {
    pub(super) fn is_success(&self) -> bool {
        self.end == StepEnd::Exited(Some(0))
    }
}

/// A step could not be run.
#[derive(Debug, thiserror::Error)]
#[error("running a command of the project")]
pub(super) struct StepError(#[source] RunError);

impl StepError {
    /// Whether the program is not installed.
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
    surroundings: &Surroundings,
    limits: Limits,
) -> Result<Ran, StepError> {
    let command = CommandSpec::new(&step.program).args(&step.arguments);
    let command = surroundings
        .apply(command)
        // Without it some runners watch for changes and never end.
        .env("CI", "true")
        .envs(step.environment.iter().cloned())
        .directory(directory)
        .orphans(Orphans::Adopted);
    let begin = Instant::now();
    tokio::select! {
        finished = run_bounded(&command, limits.time, OUTPUT_LIMIT) => {
            finished.map(Ran::from).map_err(StepError)
        }
        // Dropping the other branch kills all of them.
        () = too_many_processes(limits.processes) => Ok(Ran {
            end: StepEnd::TooManyProcesses,
            output: String::new(),
            is_whole: false,
            elapsed: begin.elapsed(),
        }),
    }
}

async fn too_many_processes(limit: usize) {
    loop {
        sleep(LOOK_EVERY).await;
        match descendants(std::process::id()) {
            Ok(found) if found.len() > limit => return,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the processes of the tests cannot be counted"),
        }
    }
}

impl From<Finished> for Ran {
    fn from(finished: Finished) -> Self {
        let (stdout, stderr) = (finished.stdout.text(), finished.stderr.text());
        // Errors of tools stand on standard error, results of tests on standard output: the end matters most.
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
            output: without_terminal_codes(&output),
            is_whole: finished.stdout.dropped() == 0 && finished.stderr.dropped() == 0,
            elapsed: finished.elapsed,
        }
    }
}

/// Colours and cursor movements (`ESC [ … letter`) are for terminals; other control characters are for nobody.
fn without_terminal_codes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            if characters.next_if_eq(&'[').is_some() {
                // Parameters, then one byte that ends the sequence.
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
    async fn a_step_with_too_many_processes_is_ended() {
        let directory = tempfile::tempdir().unwrap();
        let makefile = "test:\n\t@for n in 1 2 3 4 5 6 7 8; do sleep 1000 & done; wait\n";
        std::fs::write(directory.path().join("Makefile"), makefile).unwrap();
        let plan = crate::checks::detect(directory.path(), directory.path())
            .unwrap()
            .unwrap();
        let surroundings = Surroundings::read(&mut Environment::from_pairs::<&str, &str>([]));
        let limits = Limits {
            time: Duration::from_mins(1),
            processes: 5,
        };

        let ran = run(&plan.test, directory.path(), &surroundings, limits)
            .await
            .unwrap();

        assert_eq!(ran.end, StepEnd::TooManyProcesses);
        let living = || descendants(std::process::id()).unwrap();
        while !living().is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    }

    #[test]
    fn codes_of_terminals_are_left_out() {
        let coloured =
            "\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[31m1 failed\u{1b}[39m\r\n\u{1b}[2K\0done";
        assert_eq!(without_terminal_codes(coloured), "      Tests  1 failed\ndone");
    }
}
