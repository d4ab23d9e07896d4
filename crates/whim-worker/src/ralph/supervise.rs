//! One run of `ralph`, from its start to the death of its last descendant.

use std::process::ExitStatus;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use whim_service::lines::{Line, Lines};
use whim_service::process::{Child, CommandSpec, Deadlines, SpawnError};

use super::progress::{Consequence, Progress};
use super::publish::Wanted;
use crate::report::Reporter;

/// No event of `ralph` is longer; what is beyond is dropped and counted.
const MAX_LINE_BYTES: usize = 1024 * 1024;
/// How long output that is in a pipe already may take to be read after everybody who could write to it is dead.
const DRAIN: Duration = Duration::from_secs(2);
/// `ralph` ends its agent when it is told to; then it may say so.
const WHEN_TOLD: Deadlines = Deadlines {
    interrupt: Duration::ZERO,
    terminate: Duration::from_secs(5),
    kill: Duration::from_secs(5),
};

/// How a run ended.
#[derive(Debug)]
pub(super) enum RunEnd {
    /// By itself.
    Exited(ExitStatus),
    /// It was silent for too long and was ended.
    Hung,
    /// It was ended because the worker gave up.
    GivenUp,
    /// It could not be started.
    NotStarted(SpawnError),
    /// The kernel refused what came after.
    Unwatched(std::io::Error),
}

/// Runs the command, reads what it prints, and ends every descendant.
pub(super) async fn run(
    command: &CommandSpec,
    progress: &mut Progress,
    wanted: watch::Sender<Wanted>,
    reporter: &Reporter,
    silence: Duration,
    give_up: &CancellationToken,
) -> RunEnd {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return RunEnd::NotStarted(error),
    };
    let mut reader = Reader {
        progress,
        wanted,
        reporter,
        truncated: 0,
    };
    match watch_over(&mut child, &mut reader, silence, give_up).await {
        Ok(end) => end,
        Err(error) => RunEnd::Unwatched(error),
    }
}

async fn watch_over(
    child: &mut Child,
    reader: &mut Reader<'_>,
    silence: Duration,
    give_up: &CancellationToken,
) -> std::io::Result<RunEnd> {
    let mut stdout = child.take_stdout().map(|pipe| Lines::new(pipe, MAX_LINE_BYTES));
    let mut stderr = child.take_stderr().map(|pipe| Lines::new(pipe, MAX_LINE_BYTES));
    let mut deadline = Instant::now() + silence;
    let mut end = None;
    while end.is_none() || stdout.is_some() || stderr.is_some() {
        tokio::select! {
            line = next_line(&mut stdout) => match line? {
                Some(line) => {
                    if end.is_none() {
                        deadline = Instant::now() + silence;
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
                end_descendants(child, Deadlines::IMMEDIATE).await?;
                deadline = Instant::now() + DRAIN;
            }
            () = give_up.cancelled(), if end.is_none() => {
                end = Some(RunEnd::GivenUp);
                end_descendants(child, WHEN_TOLD).await?;
                deadline = Instant::now() + DRAIN;
            }
            () = sleep_until(deadline) => {
                if end.is_some() {
                    // A descendant that could not be found still holds a pipe.
                    break;
                }
                end = Some(RunEnd::Hung);
                end_descendants(child, WHEN_TOLD).await?;
                deadline = Instant::now() + DRAIN;
            }
        }
    }
    Ok(end.unwrap_or(RunEnd::Hung))
}

async fn end_descendants(child: &mut Child, deadlines: Deadlines) -> std::io::Result<()> {
    let ended = child.terminate(deadlines).await?;
    if !ended.survivors.is_empty() {
        tracing::error!(survivors = ?ended.survivors, "processes of the agent live in spite of everything");
    }
    Ok(())
}

/// The next line of a pipe; waits for ever where the pipe is closed.
async fn next_line<Pipe: tokio::io::AsyncRead + Unpin>(
    lines: &mut Option<Lines<Pipe>>,
) -> std::io::Result<Option<Line>> {
    match lines {
        Some(lines) => lines.next().await,
        None => std::future::pending().await,
    }
}

struct Reader<'a> {
    progress: &'a mut Progress,
    /// Dropped with the reader: then the publisher knows that nothing more comes.
    wanted: watch::Sender<Wanted>,
    reporter: &'a Reporter,
    truncated: u64,
}

impl Reader<'_> {
    fn stdout(&mut self, line: &Line) {
        if line.is_truncated() {
            self.truncated += 1;
            let dropped = line.dropped;
            tracing::warn!(
                dropped,
                lines = self.truncated,
                "a line of ralph was too long and was cut"
            );
            self.reporter.notice(&format!(
                "A line of ralph was too long; {dropped} bytes of it were dropped"
            ));
            return;
        }
        match self.progress.read(&line.text(), self.reporter) {
            Consequence::None => {}
            Consequence::Publish => {
                let spec = self.progress.spec();
                self.wanted.send_modify(|wanted| wanted.ask(spec));
            }
        }
    }

    fn stderr(&mut self, line: &Line) {
        self.progress.keep_line(&line.text());
    }
}
