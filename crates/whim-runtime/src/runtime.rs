//! The interface of a runtime.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::Serialize;
use tokio_util::bytes::Bytes;
use whim_core::WorkerId;

use crate::exit::Exit;
use crate::worker_spec::WorkerSpec;

/// Identifies a worker's container or process to an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeHandle(pub String);

/// A worker as the runtime sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub worker_id: WorkerId,
    pub state: AttemptState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptState {
    /// At least one of its processes is alive.
    Running,
    /// None of its processes is alive.
    Ended(Exit),
}

/// The runtime could not do what was requested. Never the worker's fault.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct RuntimeError {
    doing: String,
    #[source]
    source: anyhow::Error,
}

/// The image of a worker is not on the container engine. A repository may have an image of its own.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MissingImage(pub String);

impl RuntimeError {
    /// `doing` is what the runtime was doing, such as "starting the container x".
    pub fn new(doing: impl Into<String>, source: impl Into<anyhow::Error>) -> Self {
        Self {
            doing: doing.into(),
            source: source.into(),
        }
    }

    /// Whether [`MissingImage`] is the cause: workers with other images may start.
    pub fn is_missing_image(&self) -> bool {
        self.source.is::<MissingImage>()
    }
}

/// A worker's output in chunks, which may end within a line or a character.
pub type LogStream = BoxStream<'static, Result<Bytes, RuntimeError>>;

/// What [`Runtime::clean`] removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// Attempts removed because they ended long ago.
    pub attempts: u64,
    /// Attempts removed earlier because the disk was low on space.
    pub removed_for_space: u64,
    /// Attempts that could not be removed, and why.
    pub failed: Vec<(WorkerId, String)>,
}

/// Starts and stops workers.
///
/// Every call is idempotent. Futures are boxed because the implementation is chosen at run time.
pub trait Runtime: fmt::Debug + Send + Sync + 'static {
    /// The name in settings, rows and answers.
    fn kind(&self) -> &'static str;

    /// Whether workers are in a network of their own, in which the gateway can be the only way out.
    fn has_own_network(&self) -> bool;

    /// The owner of this runtime's workers, stable across restarts and stored in their rows. Only the orchestrator with
    /// this name acts on them.
    fn instance(&self) -> &str;

    /// # Errors
    /// The worker was not started, and nothing of it is left.
    fn start(&self, spec: WorkerSpec) -> BoxFuture<'_, Result<RuntimeHandle, RuntimeError>>;

    /// Ends a worker with all its descendants, and returns when none is alive. A worker that has ended or never existed
    /// is a success.
    ///
    /// # Errors
    /// Some process may still be alive.
    fn stop(&self, worker: WorkerId) -> BoxFuture<'_, Result<(), RuntimeError>>;

    /// The last `bytes` bytes of the output; `None` when the worker does not exist or was removed.
    ///
    /// # Errors
    /// The output cannot be read.
    fn logs(&self, worker: WorkerId, bytes: u64) -> BoxFuture<'_, Result<Option<String>, RuntimeError>>;

    /// The last `lines` lines of the output within about `bytes` bytes, then new output until the worker ends or the
    /// stream is dropped; `None` when the worker does not exist or was removed. A slow reader loses output, and a line
    /// in the stream says so.
    ///
    /// # Errors
    /// The output cannot be read. A later failure ends the stream with an error.
    fn follow(
        &self,
        worker: WorkerId,
        lines: usize,
        bytes: u64,
    ) -> BoxFuture<'_, Result<Option<LogStream>, RuntimeError>>;

    /// Every worker of this instance, including those that have ended but are not yet removed.
    ///
    /// # Errors
    /// The runtime is unavailable.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Attempt>, RuntimeError>>;

    /// Yields each worker shortly after it ends. A hint only: [`Self::list`] is authoritative.
    fn exits(&self) -> BoxStream<'static, WorkerId>;

    /// Yields each time that the runtime becomes available after an outage.
    fn returns(&self) -> BoxStream<'static, ()> {
        Box::pin(futures::stream::pending())
    }

    /// Removes workers of this instance that ended longer than `retention` ago, and the oldest of the others while the
    /// disk is low on space. The workspaces of all ended workers are removed as far as the runtime can do so without
    /// their logs.
    ///
    /// # Errors
    /// The runtime is unavailable.
    fn clean(&self, retention: Duration) -> BoxFuture<'_, Result<Cleaned, RuntimeError>>;

    /// Whether workers can be started. Returns a short description of the runtime.
    ///
    /// # Errors
    /// Workers cannot be started. The error's display is one sentence for an operator, without secrets.
    fn health(&self) -> BoxFuture<'_, Result<String, RuntimeError>>;

    /// Weaknesses of the isolation that an operator should know, one sentence each.
    fn warnings(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}
