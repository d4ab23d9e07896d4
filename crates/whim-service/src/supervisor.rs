//! Tasks with an owner: each has a name, stops when asked, and is reported if it does not.
//!
//! This is the only place where the programs spawn tasks. A stop goes through the [`Phase`]s in order, all within one
//! deadline.

mod report;
mod stop;
mod tasks;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::report::{StopReason, StopReport};
use self::stop::StopRequest;
pub use self::tasks::Tasks;
use crate::signal::EndSignals;

/// When a task stops, relative to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Accepts work: listeners, dispatchers, pollers. Stops first.
    Intake,
    /// Does the work: requests, reconcilers.
    Work,
    /// Writes buffers and batches of the other phases. Stops last.
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
    stop: Arc<StopRequest>,
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
    pub fn new() -> Self {
        let stop = Arc::new(StopRequest::default());
        let tasks = || Tasks::new(Arc::clone(&stop));
        let inner = Inner {
            intake: tasks(),
            work: tasks(),
            flush: tasks(),
            stop,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

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
        self.inner.stop.request(reason);
    }

    /// Waits until the process is asked to stop.
    pub async fn stop_requested(&self) {
        self.inner.stop.requested().await;
    }

    /// Runs until a signal, a critical task or [`Self::request_stop`] asks the process to stop, then stops within
    /// `deadline`. A second signal stops at once.
    pub async fn run(&self, mut signals: EndSignals, deadline: Duration) -> StopReport {
        tokio::select! {
            () = self.stop_requested() => {}
            signal = signals.next() => self.request_stop(StopReason::Signal(signal)),
        }
        tokio::select! {
            report = self.stop(deadline) => report,
            signal = signals.next() => {
                tracing::warn!(%signal, "second signal: stopping without waiting for the tasks");
                self.stop(Duration::ZERO).await
            }
        }
    }

    /// Stops phase after phase. Tasks that still run after `deadline` (for all phases together) are aborted and named
    /// in the report. Starting tasks afterwards has no effect.
    pub async fn stop(&self, deadline: Duration) -> StopReport {
        let begin = Instant::now();
        self.request_stop(StopReason::Requested);
        let mut unfinished = Vec::new();
        for phase in Phase::IN_ORDER {
            let remaining = deadline.saturating_sub(begin.elapsed());
            unfinished.extend(self.phase(phase).stop(remaining).await);
        }
        let reason = self.inner.stop.reason().cloned();
        StopReport {
            reason: reason.unwrap_or(StopReason::Requested),
            unfinished,
            elapsed: begin.elapsed(),
        }
    }
}
