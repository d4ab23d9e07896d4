//! Supervises one run of `ralph` until its last descendant has ended.

use std::process::ExitStatus;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use whim_service::lines::{Line, Lines};
use whim_service::process::{Child, CommandSpec, Deadlines, SpawnError};

use crate::report::Reporter;

/// Longer lines are truncated. No event of `ralph` is longer.
const MAX_LINE_BYTES: usize = 1024 * 1024;
/// How long the pipes are read after all processes that could write to them have ended.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// `ralph` terminates its agent on a signal, and may print events meanwhile.
const GRACEFUL: Deadlines = Deadlines {
    interrupt: Duration::ZERO,
    terminate: Duration::from_secs(5),
    kill: Duration::from_secs(5),
};

/// How a run ended.
#[derive(Debug)]
pub(super) enum RunEnd {
    Exited(ExitStatus),
    /// Printed nothing for too long and was terminated.
    Hung,
    /// Terminated because the worker gave up.
    GivenUp,
    NotStarted(SpawnError),
    /// Reading its output or waiting for it failed.
    SuperviseFailed(std::io::Error),
}

/// Receives what `ralph` prints.
pub(super) trait Receiver {
    /// A line of standard output: an event, or other text.
    fn line(&mut self, line: &str, reporter: &Reporter);

    /// A line of standard error.
    fn error_line(&mut self, line: &str);
}

/// Runs the command, reads its output, and terminates every descendant. The receiver is dropped when the output ends.
pub(super) async fn run(
    command: &CommandSpec,
    receiver: impl Receiver,
    reporter: &Reporter,
    idle_timeout: Duration,
    give_up: &CancellationToken,
) -> RunEnd {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return RunEnd::NotStarted(error),
    };
    let mut reader = Reader {
        receiver,
        reporter,
        truncated: 0,
    };
    match supervise(&mut child, &mut reader, idle_timeout, give_up).await {
        Ok(end) => end,
        Err(error) => RunEnd::SuperviseFailed(error),
    }
}

async fn supervise(
    child: &mut Child,
    reader: &mut Reader<'_, impl Receiver>,
    idle_timeout: Duration,
    give_up: &CancellationToken,
) -> std::io::Result<RunEnd> {
    let mut stdout = child.take_stdout().map(|pipe| Lines::new(pipe, MAX_LINE_BYTES));
    let mut stderr = child.take_stderr().map(|pipe| Lines::new(pipe, MAX_LINE_BYTES));
    let mut deadline = Instant::now() + idle_timeout;
    let mut end = None;
    while end.is_none() || stdout.is_some() || stderr.is_some() {
        tokio::select! {
            line = next_line(&mut stdout) => match line? {
                Some(line) => {
                    if end.is_none() {
                        deadline = Instant::now() + idle_timeout;
                    }
                    reader.stdout(&line);
                }
                None => stdout = None,
            },
            line = next_line(&mut stderr) => match line? {
                Some(line) => reader.stderr(&line),
                None => stderr = None,
            },
            status = child.wait(), if end.is_none() => {
                end = Some(RunEnd::Exited(status?));
                terminate_descendants(child, Deadlines::IMMEDIATE).await?;
                deadline = Instant::now() + DRAIN_TIMEOUT;
            }
            () = give_up.cancelled(), if end.is_none() => {
                end = Some(RunEnd::GivenUp);
                terminate_descendants(child, GRACEFUL).await?;
                deadline = Instant::now() + DRAIN_TIMEOUT;
            }
            () = sleep_until(deadline) => {
                if end.is_some() {
                    // An unknown descendant still holds a pipe open.
                    break;
                }
                end = Some(RunEnd::Hung);
                terminate_descendants(child, GRACEFUL).await?;
                deadline = Instant::now() + DRAIN_TIMEOUT;
            }
        }
    }
    Ok(end.unwrap_or(RunEnd::Hung))
}

async fn terminate_descendants(child: &mut Child, deadlines: Deadlines) -> std::io::Result<()> {
    let ended = child.terminate(deadlines).await?;
    if !ended.survivors.is_empty() {
        tracing::error!(survivors = ?ended.survivors, "processes of the agent are still running");
    }
    Ok(())
}

/// Pending forever if the pipe is closed.
async fn next_line<Pipe: tokio::io::AsyncRead + Unpin>(
    lines: &mut Option<Lines<Pipe>>,
) -> std::io::Result<Option<Line>> {
    match lines {
        Some(lines) => lines.next().await,
        None => std::future::pending().await,
    }
}

struct Reader<'a, R> {
    receiver: R,
    reporter: &'a Reporter,
    truncated: u64,
}

impl<R: Receiver> Reader<'_, R> {
    fn stdout(&mut self, line: &Line) {
        if line.is_truncated() {
            self.truncated += 1;
            let dropped = line.dropped;
            tracing::warn!(
                dropped,
                lines = self.truncated,
                "a line of ralph was too long and was truncated"
            );
            self.reporter.notice(&format!(
                "A line of ralph was too long: {dropped} bytes were dropped"
            ));
            return;
        }
        self.receiver.line(&line.text(), self.reporter);
    }

    fn stderr(&mut self, line: &Line) {
        self.receiver.error_line(&line.text());
    }
}
