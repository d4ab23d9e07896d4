//! Heartbeats that wait to be written in a batch, and what is remembered between the heartbeats of a worker.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use whim_core::WorkerId;
use whim_core::protocol::events::WorkerEvent;

use super::progress::ProgressDetector;
use crate::batch_writer::{BatchQueue, Queued};
use crate::db::heartbeats::HeartbeatRow;

/// How often the locks of a worker are considered for renewal. They last an hour.
const LOCK_RENEWAL_INTERVAL: Duration = Duration::from_mins(1);

/// The content of one heartbeat.
#[derive(Clone, Debug)]
pub(super) struct PendingHeartbeat {
    pub(super) row: HeartbeatRow,
    pub(super) events: Vec<WorkerEvent>,
}

/// Answered with the number of notes of the item's run.
pub(super) type QueuedHeartbeat = Queued<Arc<PendingHeartbeat>, u32>;

/// The queue of heartbeats. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Heartbeats(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    queue: BatchQueue<Arc<PendingHeartbeat>, u32>,
    /// When the locks of workers were last considered for renewal.
    lock_renewals: RwLock<HashMap<WorkerId, Instant>>,
    progress: ProgressDetector,
}

impl Heartbeats {
    pub(super) fn queue(&self) -> &BatchQueue<Arc<PendingHeartbeat>, u32> {
        &self.0.queue
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
