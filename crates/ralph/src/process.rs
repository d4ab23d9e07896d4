//! Starting programs, with a cleared environment and a process group of their own.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use crate::environment::Environment;
use crate::harness::CommandSpec;

/// Largest output of a program that is accepted, in bytes.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

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
        // Signals from a terminal must not reach the agent directly: it is terminated in a fixed order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| SpawnError {
            program: spec.program.to_string_lossy().into_owned(),
            source,
        })
}

/// Signals the process group of a child that was started with [`spawn`] and is not reaped yet.
pub(crate) fn signal_group(child: &Child, signal: Signal) {
    let leader = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    if let Some(leader) = leader {
        // Fails only if the group is gone already.
        kill_process_group(leader, signal).ok();
    }
}

/// Writes all of `text` to a child's standard input and closes it.
pub(crate) async fn feed(stdin: Option<ChildStdin>, text: &str) {
    if let Some(mut stdin) = stdin {
        // A program may exit without having read all of its input.
        stdin.write_all(text.as_bytes()).await.ok();
    }
}

/// The output of a program that ran to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) is_success: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Why a program could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error("cannot read the output of `{program}`")]
    Read { program: String, source: io::Error },
    #[error("`{program}` printed more than {LONGEST_ANSWER} bytes")]
    TooMuch { program: String },
    #[error("`{program}` did not exit within {} s", .limit.as_secs())]
    Timeout { program: String, limit: Duration },
}

/// Runs a program to its end and returns its output. It is killed if it takes longer than `limit`.
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
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let run = async {
        let (stdout, stderr, ()) = tokio::join!(read(stdout), read(stderr), feed(stdin, input));
        let (stdout, stderr) = (stdout?, stderr?);
        let is_too_much = stdout.len().max(stderr.len()) > LONGEST_ANSWER;
        // A program whose output is refused anyway is not waited for.
        let status = if is_too_much {
            None
        } else {
            Some(child.wait().await?)
        };
        io::Result::Ok((status, stdout, stderr))
    };
    // Dropping the child kills it.
    let (status, stdout, stderr) = timeout(limit, run)
        .await
        .map_err(|_| AnswerError::Timeout {
            program: program(),
            limit,
        })?
        .map_err(|source| AnswerError::Read {
            program: program(),
            source,
        })?;
    let status = status.ok_or_else(|| AnswerError::TooMuch { program: program() })?;
    Ok(Answer {
        is_success: status.success(),
        stdout,
        stderr: String::from_utf8_lossy(&stderr).trim().to_owned(),
    })
}

/// Reads to the end, or one byte more than is accepted.
async fn read(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(LONGEST_ANSWER as u64 + 1)
            .read_to_end(&mut bytes)
            .await?;
    }
    Ok(bytes)
}
