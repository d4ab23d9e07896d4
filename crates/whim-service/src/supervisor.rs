//! Tasks with an owner: each has a name and a kind, stops when asked, and is missed when it does not.
//!
//! This is the only place of the programs that starts tasks. A stop goes through the [`Phase`]s in order: what takes
//! work in stops first, what writes down results stops last, all within one deadline.

mod report;
mod tasks;

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::report::{StopReason, StopReport};
pub use self::tasks::Tasks;
use crate::signal::EndSignals;

/// When a task stops, relative to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Takes work in: listeners, dispatchers, pollers. Stops first.
    Intake,
    /// Does the work: requests, reconcilers.
    Work,
    /// Writes down what the others left: buffers, batches. Stops last.
    Flush,
}

impl Phase {
    const IN_ORDER: [Self; 3] = [Self::Intake, Self::Work, Self::Flush];
}

/// Owns the tasks of a process. Clones own the same tasks.
#[derive(Clone, Debug)]
pub struct Supervisor {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    reason: OnceLock<StopReason>,
    stop_requested: CancellationToken,
    intake: Tasks,
    work: Tasks,
    flush: Tasks,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self::new()
    }
}

impl Supervisor {
    /// No tasks yet.
    pub fn new() -> Self {
        let inner = Arc::new_cyclic(|inner| Inner {
            reason: OnceLock::new(),
            stop_requested: CancellationToken::new(),
            intake: Tasks::new(inner.clone()),
            work: Tasks::new(inner.clone()),
            flush: Tasks::new(inner.clone()),
        });
        Self { inner }
    }

    /// The tasks of one phase, to start more of them and to learn when they are to stop.
    pub fn phase(&self, phase: Phase) -> &Tasks {
        match phase {
            Phase::Intake => &self.inner.intake,
            Phase::Work => &self.inner.work,
            Phase::Flush => &self.inner.flush,
        }
    }

    /// [`Tasks::critical`] of [`Phase::Work`].
    pub fn critical(
        &self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.phase(Phase::Work).critical(name, task);
    }

    /// [`Tasks::best_effort`] of [`Phase::Work`].
    pub fn best_effort<Attempt>(&self, name: &'static str, attempt: impl FnMut() -> Attempt + Send + 'static)
    where
        Attempt: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.phase(Phase::Work).best_effort(name, attempt);
    }

    /// The token of [`Phase::Work`]: cancelled when its tasks are to stop.
    pub fn token(&self) -> CancellationToken {
        self.phase(Phase::Work).token()
    }

    /// Asks the process to stop. The first reason is the one that is reported.
    pub fn request_stop(&self, reason: StopReason) {
        self.inner.request_stop(reason);
    }

    /// Waits until something asked the process to stop.
    pub async fn stop_requested(&self) {
        self.inner.stop_requested.cancelled().await;
    }

    /// Runs until a signal, a critical task or [`Self::request_stop`] asks for the end, then stops within `deadline`.
    /// A second signal cuts the deadline short.
    pub async fn run(&self, mut signals: EndSignals, deadline: Duration) -> StopReport {
        tokio::select! {
            () = self.stop_requested() => {}
            signal = signals.next() => self.request_stop(StopReason::Signal(signal)),
        }
        tokio::select! {
            report = self.stop(deadline) => report,
            signal = signals.next() => {
                tracing::warn!(%signal, "a second signal: stopping without waiting for the tasks");
                self.stop(Duration::ZERO).await
            }
        }
    }

    /// Stops phase after phase; tasks that still run after `deadline` (for all phases together) are aborted and named
    /// in the report. Starting tasks afterwards has no effect.
    pub async fn stop(&self, deadline: Duration) -> StopReport {
        let begin = Instant::now();
        self.request_stop(StopReason::Requested);
        let mut unfinished = Vec::new();
        for phase in Phase::IN_ORDER {
            let left = deadline.saturating_sub(begin.elapsed());
            unfinished.extend(self.phase(phase).stop(left).await);
        }
        let reason = self.inner.reason.get().cloned().unwrap_or(StopReason::Requested);
        StopReport {
            reason,
            unfinished,
            elapsed: begin.elapsed(),
        }
    }
}

impl Inner {
    fn request_stop(&self, reason: StopReason) {
        if self.reason.set(reason).is_ok()
            && let Some(reason) = self.reason.get()
        {
            tracing::info!(%reason, "stopping: {reason}");
        }
        self.stop_requested.cancel();
    }
}
