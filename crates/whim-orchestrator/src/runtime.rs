//! What starts and stops workers. The dispatcher and the reconcilers know only the trait.

pub mod docker;
mod instance;
pub mod process;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use tokio_util::bytes::Bytes;
use whim_core::{FailureCause, LeaseEpoch, RepoName, WorkItemId, WorkerId};
use whim_service::secret::SecretString;

/// Everything that a runtime needs to start one worker.
#[derive(Clone, Debug)]
pub struct WorkerSpec {
    /// The worker.
    pub worker_id: WorkerId,
    /// What it works on.
    pub work_item_id: WorkItemId,
    /// The repository of that, which may want an environment of its own.
    pub repo: RepoName,
    /// The epoch under which it was claimed.
    pub epoch: LeaseEpoch,
    /// What it is told; the runtime adds the paths that only it knows. Nothing in here is secret.
    pub environment: BTreeMap<String, String>,
    /// What it is entrusted with, each as a file that only it can read.
    pub credentials: Vec<Credential>,
}

/// A secret for one worker.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The name of the file.
    pub file_name: &'static str,
    /// What is in it.
    pub secret: SecretString,
}

impl WorkerSpec {
    /// A name that says whose attempt it is and is never used twice, so that a start whose answer was lost is found
    /// again and never doubled (`FAULTS.md`, row 4).
    pub fn name(&self) -> String {
        whim_containers::name(self.work_item_id, self.epoch)
    }
}

/// What the runtime finds a worker by, for a person who looks: a container's identifier, or a process'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeHandle(pub String);

/// A worker as the runtime sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The worker.
    pub worker_id: WorkerId,
    /// Whether anything of it lives.
    pub state: AttemptState,
}

/// Whether anything of a worker lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptState {
    /// It does.
    Running,
    /// Nothing does.
    Ended(Exit),
}

/// How a worker ended, as seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exit {
    /// How the worker's own process ended.
    pub how: ExitKind,
    /// Whether the runtime had been told to stop it: then the way it ended says nothing about the worker
    /// (`FAULTS.md`, row 12).
    pub stopped: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExitKind {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// ReasonCode memory ran out.
    OutOfMemory,
    /// ReasonCode what it ran in was stopped: the container engine, or the machine.
    RuntimeStopped,
    /// Nobody saw it.
    Unknown,
}

impl Exit {
    /// What it means for the work item that nothing was reported before.
    pub fn cause(self) -> FailureCause {
        match self.how {
            // How a worker ends that is told to stop says nothing about it.
            ExitKind::OutOfMemory if !self.stopped => FailureCause::OutOfMemory,
            ExitKind::RuntimeStopped => FailureCause::RuntimeUnavailable,
            ExitKind::OutOfMemory | ExitKind::Code(_) | ExitKind::Signal(_) | ExitKind::Unknown => {
                FailureCause::Crash
            }
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stopped = if self.stopped {
            " after it was told to stop"
        } else {
            ""
        };
        match self.how {
            ExitKind::Code(code) => write!(formatter, "the worker exited with code {code}{stopped}"),
            ExitKind::Signal(signal) => write!(formatter, "the worker was ended by signal {signal}{stopped}"),
            ExitKind::OutOfMemory => write!(formatter, "the worker ran out of memory{stopped}"),
            ExitKind::RuntimeStopped => {
                write!(formatter, "the container engine was stopped under it{stopped}")
            }
            ExitKind::Unknown => write!(formatter, "the worker is gone{stopped}"),
        }
    }
}

/// The runtime could not do what it was asked to. None of these is the worker's fault.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct RuntimeError {
    doing: String,
    #[source]
    source: anyhow::Error,
}

/// The image of a worker is not on the container engine; the worker's repository may have an image of its own.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MissingImage(pub String);

impl RuntimeError {
    /// Whether [`MissingImage`] is the cause: then workers of other repositories may start.
    pub fn is_missing_image(&self) -> bool {
        self.source.is::<MissingImage>()
    }

    /// `doing` says what the runtime was doing; `source` why it failed.
    pub fn new(doing: impl Into<String>, source: impl Into<anyhow::Error>) -> Self {
        Self {
            doing: doing.into(),
            source: source.into(),
        }
    }
}

/// What a worker prints, as it comes: pieces of lines, which may end within a character.
pub type LogStream = BoxStream<'static, Result<Bytes, RuntimeError>>;

/// The last lines of a text.
pub fn last_lines(text: &str, lines: usize) -> &str {
    let end = text.strip_suffix('\n').unwrap_or(text);
    let begin = end.rmatch_indices('\n').nth(lines.saturating_sub(1));
    begin.map_or(text, |(index, _)| &text[index + 1..])
}

/// What was removed because it was old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// Attempts of which nothing is left.
    pub attempts: u64,
}

/// Starts and stops workers.
///
/// Every call may be repeated. Futures are boxed because the runtime is chosen when the program starts.
pub trait Runtime: fmt::Debug + Send + Sync + 'static {
    /// The name in settings, rows and answers.
    fn kind(&self) -> &'static str;

    /// Who owns the workers that this runtime starts: written into their rows, and the same after a restart. Only the
    /// orchestrator with that name acts on them (`DESIGN.md`, decision 13).
    fn instance(&self) -> &str;

    /// Starts a worker.
    ///
    /// # Errors
    /// It was not started, and nothing of it is left.
    fn start(&self, spec: WorkerSpec) -> BoxFuture<'_, Result<RuntimeHandle, RuntimeError>>;

    /// Ends a worker and everything that came from it, and returns when nothing of it lives. One that ended, or that
    /// there never was, is fine.
    ///
    /// # Errors
    /// Something of it may live still.
    fn stop(&self, worker: WorkerId) -> BoxFuture<'_, Result<(), RuntimeError>>;

    /// The last `bytes` bytes of what a worker printed; `None` when there is no such worker, or no more.
    ///
    /// # Errors
    /// They cannot be read.
    fn logs(&self, worker: WorkerId, bytes: u64) -> BoxFuture<'_, Result<Option<String>, RuntimeError>>;

    /// The last `lines` lines of what a worker printed, but rarely more than `bytes` bytes of them, and then what it
    /// prints, until it has ended or the stream is dropped; `None` when there is no such worker, or no more. Nothing
    /// is kept for who reads slowly: what was overwritten in between is missing, and said to be.
    ///
    /// # Errors
    /// They cannot be read. The stream ends with an error when that happens later.
    fn follow(
        &self,
        worker: WorkerId,
        lines: usize,
        bytes: u64,
    ) -> BoxFuture<'_, Result<Option<LogStream>, RuntimeError>>;

    /// Every worker of this instance that the runtime knows, those that ended included as long as they are kept.
    ///
    /// # Errors
    /// The runtime cannot tell.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Attempt>, RuntimeError>>;

    /// Tells of workers that ended, as soon as that is seen. Only a hint: [`Self::list`] is what counts.
    fn exits(&self) -> BoxStream<'static, WorkerId>;

    /// Tells each time that the runtime can be reached again after it could not be; one that cannot be away tells
    /// nothing.
    fn returns(&self) -> BoxStream<'static, ()> {
        Box::pin(futures::stream::pending())
    }

    /// Removes what is left of workers that ended longer than `retention` ago; only what this instance made.
    ///
    /// # Errors
    /// Something could not be removed.
    fn clean(&self, retention: Duration) -> BoxFuture<'_, Result<Cleaned, RuntimeError>>;

    /// Whether workers can be started, with what the runtime is in a few words.
    ///
    /// # Errors
    /// They cannot; the display of the error says why in a sentence without secrets.
    fn health(&self) -> BoxFuture<'_, Result<String, RuntimeError>>;

    /// What an owner should know of how workers are isolated, a sentence each.
    fn warnings(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_shown() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(last_lines("a\nb\nc", 1), "c");
        assert_eq!(last_lines("a\nb\n", 2), "a\nb\n");
        assert_eq!(last_lines("", 5), "");
    }
}
