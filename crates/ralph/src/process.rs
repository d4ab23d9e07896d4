//! Child processes: started with a cleared environment in a group of their own, and ended for certain.

pub(crate) mod descendants;

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};

use crate::environment::Environment;
use crate::harness::CommandSpec;

/// A program that could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start `{program}`")]
pub(crate) struct SpawnError {
    program: String,
    source: io::Error,
}

/// Starts a program in a process group of its own, with its output piped and its standard input as given.
pub(crate) fn spawn(
    spec: &CommandSpec,
    environment: &Environment,
    directory: &Path,
    stdin: Stdio,
) -> Result<Child, SpawnError> {
    let defaults = spec.default_environment.iter();
    let environment = defaults.fold(environment.clone(), |environment, (name, value)| {
        environment.with_default(name, value)
    });
    Command::new(&spec.program)
        .args(&spec.arguments)
        .env_clear()
        .envs(environment.variables().iter().map(|(name, value)| (name, value)))
        .current_dir(directory)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Signals from a terminal are for us: we end the agent in our own order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| SpawnError {
            program: spec.program.to_string_lossy().into_owned(),
            source,
        })
}

/// Signals the process group of a child that was started with [`spawn`] and was not waited for yet.
pub(crate) fn signal_group(child: &Child, signal: Signal) {
    let leader = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    if let Some(leader) = leader {
        // Fails only when the group is gone, which is what was wanted.
        let _sent = kill_process_group(leader, signal);
    }
}

/// Writes all of `text` to a child's standard input and closes it.
pub(crate) async fn feed(stdin: Option<ChildStdin>, text: &str) {
    if let Some(mut stdin) = stdin {
        // A program that does not read what it gets has its reasons, and may end before it is all written.
        let _written = stdin.write_all(text.as_bytes()).await;
    }
}

/// Output of a program that was called for an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) is_success: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Why a program that was called for an answer gave none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error("cannot read the output of `{program}`")]
    Read { program: String, source: io::Error },
    #[error("`{program}` did not end within {} s", .limit.as_secs())]
    Timeout { program: String, limit: Duration },
}

/// Runs a program to its end and returns what it printed; it is killed when it takes longer than `limit`.
pub(crate) async fn answer(
    spec: &CommandSpec,
    environment: &Environment,
    directory: &Path,
    input: &str,
    limit: Duration,
) -> Result<Answer, AnswerError> {
    let program = || spec.program.to_string_lossy().into_owned();
    let stdin = if input.is_empty() {
        Stdio::null()
    } else {
        Stdio::piped()
    };
    let mut child = spawn(spec, environment, directory, stdin)?;
    let stdin = child.stdin.take();
    // Dropped when the time is over, which kills it.
    let run = async { tokio::join!(feed(stdin, input), child.wait_with_output()).1 };
    let output = tokio::time::timeout(limit, run).await;
    let output = output
        .map_err(|_| AnswerError::Timeout {
            program: program(),
            limit,
        })?
        .map_err(|source| AnswerError::Read {
            program: program(),
            source,
        })?;
    Ok(Answer {
        is_success: output.status.success(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}
