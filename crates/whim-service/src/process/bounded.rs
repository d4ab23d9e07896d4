//! Running a command to its end, with limits on time and output.

use std::collections::VecDeque;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use process_tree::Deadlines;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::spawn::{CommandSpec, SpawnError};

const CHUNK_BYTES: usize = 16 * 1024;

/// How long the pipes are read after every process that could write to them has ended.
const DRAIN: Duration = Duration::from_secs(1);

const AFTER_TIME_LIMIT: Deadlines = Deadlines {
    interrupt: Duration::ZERO,
    terminate: Duration::from_secs(2),
    kill: Duration::from_secs(5),
};

/// A command that ended.
#[derive(Debug)]
pub struct Finished {
    pub ending: Ending,
    pub stdout: Captured,
    pub stderr: Captured,
    pub elapsed: Duration,
}

impl Finished {
    /// Whether it exited by itself, with code 0.
    pub fn is_success(&self) -> bool {
        match self.ending {
            Ending::Exited(status) => status.success(),
            Ending::TimedOut => false,
        }
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Exited(ExitStatus),
    /// It was terminated after its time limit, together with its descendants.
    TimedOut,
}

/// Why a command could not be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// It was started, and waiting for it or terminating it failed.
    #[error("waiting for {program}")]
    Watch { program: String, source: io::Error },
}

/// Runs a command for at most `time_limit` and keeps at most `output_limit` bytes of each output stream. All of its
/// processes are terminated, whether it exits by itself, reaches the limit, or this call is dropped.
///
/// # Errors
/// The program could not be started or waited for. A failed exit or a timeout is not an error.
pub async fn run_bounded(
    command: &CommandSpec,
    time_limit: Duration,
    output_limit: usize,
) -> Result<Finished, RunError> {
    let watch = |source| RunError::Watch {
        program: command.program().display().to_string(),
        source,
    };
    let begin = Instant::now();
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.take_stdout(), child.take_stderr());
    let all_ended = CancellationToken::new();
    let control = async {
        let ending = match timeout(time_limit, child.wait()).await {
            Ok(status) => {
                let status = status?;
                child.terminate(Deadlines::IMMEDIATE).await?;
                Ending::Exited(status)
            }
            Err(_elapsed) => {
                child.terminate(AFTER_TIME_LIMIT).await?;
                Ending::TimedOut
            }
        };
        Ok(ending)
    };
    let control = async {
        let ending = control.await;
        all_ended.cancel();
        ending
    };
    let (ending, stdout, stderr) = tokio::join!(
        control,
        capture(stdout, output_limit, &all_ended),
        capture(stderr, output_limit, &all_ended),
    );
    Ok(Finished {
        ending: ending.map_err(watch)?,
        stdout,
        stderr,
        elapsed: begin.elapsed(),
    })
}

async fn capture(
    source: Option<impl AsyncRead + Unpin>,
    limit: usize,
    all_ended: &CancellationToken,
) -> Captured {
    let mut captured = Captured::new(limit);
    let Some(mut source) = source else { return captured };
    let mut chunk = vec![0; CHUNK_BYTES];
    let drained = async {
        all_ended.cancelled().await;
        sleep(DRAIN).await;
    };
    tokio::pin!(drained);
    loop {
        tokio::select! {
            read = source.read(&mut chunk) => match read {
                Ok(0) => return captured,
                Ok(count) => captured.push(&chunk[..count]),
                Err(error) => {
                    tracing::warn!(%error, "reading the output of a command failed");
                    return captured;
                }
            },
            // A descendant that was not found still holds the pipe open.
            () = &mut drained => return captured,
        }
    }
}

/// The first and the last bytes of an output. Compilers report the cause first, test runners last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    head_limit: usize,
    tail_limit: usize,
    dropped: u64,
}

impl Captured {
    fn new(limit: usize) -> Self {
        let tail_limit = limit / 2;
        Self {
            head: Vec::new(),
            tail: VecDeque::new(),
            head_limit: limit - tail_limit,
            tail_limit,
            dropped: 0,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let to_head = bytes.len().min(self.head_limit - self.head.len());
        self.head.extend_from_slice(&bytes[..to_head]);
        self.tail.extend(&bytes[to_head..]);
        let excess = self.tail.len().saturating_sub(self.tail_limit);
        self.tail.drain(..excess);
        self.dropped += excess as u64;
    }

    /// Number of bytes in the middle that were not kept.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// All bytes, or `None` if some were dropped.
    pub fn complete(&self) -> Option<Vec<u8>> {
        (self.dropped == 0).then(|| self.head.iter().chain(&self.tail).copied().collect())
    }

    /// The output as text, with a note where bytes were dropped. Bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> String {
        if let Some(bytes) = self.complete() {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        let (first, second) = self.tail.as_slices();
        let tail = [first, second].concat();
        let (head, tail) = (
            String::from_utf8_lossy(&self.head),
            String::from_utf8_lossy(&tail),
        );
        let dropped = self.dropped;
        format!("{head}\n[… {dropped} bytes omitted …]\n{tail}")
    }
}
