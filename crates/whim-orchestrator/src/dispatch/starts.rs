//! What the dispatcher remembers of starts: those that are going on, and whether the last ones failed.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;
use whim_core::WorkerId;
use whim_service::backoff::Backoff;

use super::Refusal;

/// Between starts after one that failed: a runtime that is away is asked rarely, and no queue is drained into it
/// (`FAULTS.md`, row 5).
const AFTER_FAILURE: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));

/// The workers between their claim and the runtime's answer.
///
/// Their rows exist and their processes do not yet, so reconcilers leave them alone: they look at the rows first and
/// here second.
#[derive(Clone, Debug, Default)]
pub struct Launching {
    workers: Arc<RwLock<BTreeSet<WorkerId>>>,
}

impl Launching {
    /// Notes a worker until the answer is dropped. To be called before the claim.
    pub(super) fn begin(&self, worker: WorkerId) -> LaunchingGuard {
        self.change(|workers| workers.insert(worker));
        LaunchingGuard {
            launching: self.clone(),
            worker,
        }
    }

    /// The workers that are being started now.
    pub fn snapshot(&self) -> BTreeSet<WorkerId> {
        self.workers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeSet<WorkerId>) -> T) -> T {
        change(&mut self.workers.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A worker is being started as long as this lives.
#[derive(Debug)]
pub(super) struct LaunchingGuard {
    launching: Launching,
    worker: WorkerId,
}

impl Drop for LaunchingGuard {
    fn drop(&mut self) {
        self.launching.change(|workers| workers.remove(&self.worker));
    }
}

/// Whether starts work. After a failure the dispatcher pauses, longer with each in a row.
#[derive(Debug, Default)]
pub struct Starts {
    failing: RwLock<Option<Failing>>,
}

struct Failing {
    why: String,
    until: Instant,
    delays: Box<dyn Iterator<Item = Duration> + Send + Sync>,
}

impl std::fmt::Debug for Failing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Failing")
            .field("why", &self.why)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

impl Starts {
    /// A worker was started: all is well.
    pub(super) fn succeeded(&self) {
        *self.failing.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A worker could not be started.
    pub(super) fn failed(&self, why: &str) {
        let mut failing = self.failing.write().unwrap_or_else(PoisonError::into_inner);
        let mut delays = failing.take().map_or_else(
            || Box::new(AFTER_FAILURE.delays()) as Box<_>,
            |failing| failing.delays,
        );
        // The series is endless.
        let delay = delays.next().unwrap_or_default();
        *failing = Some(Failing {
            why: why.to_owned(),
            until: Instant::now() + delay,
            delays,
        });
    }

    /// Why nothing is started at the moment, if that is because of failed starts.
    pub fn refusal(&self) -> Option<Refusal> {
        let failing = self.failing.read().unwrap_or_else(PoisonError::into_inner);
        let failing = failing.as_ref()?;
        let left = failing.until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| Refusal::StartsFail {
            why: failing.why.clone(),
            left,
        })
    }

    /// Why the last start failed; `None` when it succeeded.
    pub fn last_failure(&self) -> Option<String> {
        let failing = self.failing.read().unwrap_or_else(PoisonError::into_inner);
        failing.as_ref().map(|failing| failing.why.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn starts_pause_longer_with_each_failure_and_not_at_all_after_a_success() {
        let starts = Starts::default();
        assert_eq!(starts.refusal(), None);

        starts.failed("the engine is away");
        let first = starts.refusal().and_then(|refusal| refusal.over_in()).unwrap();
        tokio::time::advance(first).await;
        assert_eq!(starts.refusal(), None, "one more try is due");

        starts.failed("the engine is away");
        starts.failed("the engine is away");
        let third = starts.refusal().and_then(|refusal| refusal.over_in()).unwrap();
        assert!(third > first, "{third:?} after {first:?}");

        starts.succeeded();
        assert_eq!((starts.refusal(), starts.last_failure()), (None, None));
    }
}
