//! Heartbeats that wait to be written in a batch, and what is remembered between the heartbeats of a worker.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use whim_core::WorkerId;
use whim_core::protocol::events::WorkerEvent;

use super::progress::ProgressDetector;
use crate::db::heartbeats::HeartbeatRow;

/// Heartbeats beyond this are written one by one, where they wait for a connection.
const QUEUE_LENGTH: usize = 4096;

/// How often the locks of a worker are considered for renewal. They last an hour.
const LOCK_RENEWAL_INTERVAL: Duration = Duration::from_mins(1);

/// The content of one heartbeat.
#[derive(Clone, Debug)]
pub(super) struct PendingHeartbeat {
    pub(super) row: HeartbeatRow,
    pub(super) events: Vec<WorkerEvent>,
}

/// A heartbeat in the queue. `written` is dropped without a message when it could not be written in a batch.
#[derive(Debug)]
pub(super) struct QueuedHeartbeat {
    pub(super) heartbeat: Arc<PendingHeartbeat>,
    pub(super) written: oneshot::Sender<()>,
}

/// The queue of heartbeats. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Heartbeats(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Empty until [`Heartbeats::receive`] is called.
    queue: OnceLock<mpsc::Sender<QueuedHeartbeat>>,
    /// When the locks of workers were last considered for renewal.
    lock_renewals: RwLock<HashMap<WorkerId, Instant>>,
    progress: ProgressDetector,
}

impl Heartbeats {
    /// Opens the queue; `None` when it is open.
    pub(super) fn receive(&self) -> Option<mpsc::Receiver<QueuedHeartbeat>> {
        let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
        self.0.queue.set(sender).ok().map(|()| receiver)
    }

    /// Waits until a heartbeat was written in a batch. `false` when it was not: the queue is closed or full, the batch
    /// failed, or the worker has lost its lease. Writing it alone then shows the reason.
    pub(super) async fn write_in_batch(&self, heartbeat: &Arc<PendingHeartbeat>) -> bool {
        let Some(queue) = self.0.queue.get() else {
            return false;
        };
        let (written, is_written) = oneshot::channel();
        let queued = QueuedHeartbeat {
            heartbeat: Arc::clone(heartbeat),
            written,
        };
        queue.try_send(queued).is_ok() && is_written.await.is_ok()
    }

    /// Whether the events of a worker show progress.
    pub(super) fn is_progress(&self, worker: WorkerId, events: &[WorkerEvent]) -> bool {
        self.0.progress.is_progress(worker, events)
    }

    /// Whether the locks of a worker are due to be considered for renewal; at most once per interval.
    pub(super) fn locks_are_due(&self, worker: WorkerId) -> bool {
        let is_due = |last: Option<&Instant>| last.is_none_or(|last| last.elapsed() >= LOCK_RENEWAL_INTERVAL);
        let renewals = &self.0.lock_renewals;
        if !is_due(
            renewals
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&worker),
        ) {
            return false;
        }
        let mut renewals = renewals.write().unwrap_or_else(PoisonError::into_inner);
        if !is_due(renewals.get(&worker)) {
            return false;
        }
        // Bounds the map by the number of live workers.
        renewals.retain(|_, last| last.elapsed() < LOCK_RENEWAL_INTERVAL);
        renewals.insert(worker, Instant::now());
        true
    }
}
