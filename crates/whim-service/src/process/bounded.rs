//! A command from start to end, with limits on its time and output.

use std::collections::VecDeque;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::end::Deadlines;
use super::spawn::{CommandSpec, SpawnError};

/// Read from a pipe at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// How long the pipes are read on after every process that could write to them has ended.
const DRAIN: Duration = Duration::from_secs(1);

/// After the time limit.
const AFTER_TIME_LIMIT: Deadlines = Deadlines {
    interrupt: Duration::ZERO,
    terminate: Duration::from_secs(2),
    kill: Duration::from_secs(5),
};

/// A command that came to its end.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub ending: Ending,
    /// What it wrote to standard output.
    pub stdout: Captured,
    /// What it wrote to standard error.
    pub stderr: Captured,
    /// How long it ran.
    pub elapsed: Duration,
}

impl Finished {
    /// Whether it exited with 0.
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
    /// By itself.
    Exited(ExitStatus),
    /// It was ended after its time limit, and its descendants with it.
    TimedOut,
}

/// A command could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// It was started, and the kernel refused what came after.
    #[error("watching {program}")]
    Watch {
        /// The program as it was given.
        program: String,
        /// What was refused.
        source: io::Error,
    },
}

/// Runs a command for at most `time_limit`, keeps at most `output_limit` bytes of each output stream, and leaves no
/// process behind, whether it ends by itself, by the limit, or because this call is dropped.
///
/// # Errors
/// The program could not be started or watched. A command that fails or is ended by the limit is no error.
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
                child.end(Deadlines::AT_ONCE).await?;
                Ending::Exited(status)
            }
            Err(_elapsed) => {
                child.end(AFTER_TIME_LIMIT).await?;
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
            // A descendant that could not be found still holds the pipe.
            () = &mut drained => return captured,
        }
    }
}

/// The first and the last bytes of an output; test runners say at the end what went wrong, compilers at the beginning.
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

    /// How many bytes in the middle are lost.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// All bytes, when none was lost.
    pub fn complete(&self) -> Option<Vec<u8>> {
        (self.dropped == 0).then(|| self.head.iter().chain(&self.tail).copied().collect())
    }

    /// The output as text, with a note where something is missing; bytes that are not UTF-8 become U+FFFD.
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
        format!("{head}\n[… {dropped} bytes left out …]\n{tail}")
    }
}
