//! Events that became visible together, shared by all of their subscribers.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use whim_core::WorkerId;

use crate::db::events::StoredEvent;

/// Events in the order of the log; at least one.
#[derive(Debug)]
pub struct Batch {
    events: Vec<StoredEvent>,
    encoded: OnceLock<Bytes>,
}

impl Batch {
    /// `None` without events.
    pub(super) fn new(events: Vec<StoredEvent>) -> Option<Arc<Self>> {
        let batch = Self {
            events,
            encoded: OnceLock::new(),
        };
        (!batch.events.is_empty()).then(|| Arc::new(batch))
    }

    /// The events after `position`; all of them without a copy.
    pub(super) fn after(self: &Arc<Self>, position: i64) -> Option<Arc<Self>> {
        match self.events.first() {
            Some(first) if first.id > position => Some(Arc::clone(self)),
            Some(_) | None => {
                let later = self.events.iter().filter(|event| event.id > position);
                Self::new(later.cloned().collect())
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn last_id(&self) -> Option<i64> {
        self.events.last().map(|event| event.id)
    }

    /// The events as bytes. `encode` runs once for all subscribers.
    pub fn encoded(&self, encode: impl FnOnce(&[StoredEvent]) -> Bytes) -> Bytes {
        self.encoded.get_or_init(|| encode(&self.events)).clone()
    }

    /// The events by worker, as far as they belong to one.
    pub(super) fn by_worker(&self) -> HashMap<WorkerId, Arc<Self>> {
        let mut events: HashMap<WorkerId, Vec<StoredEvent>> = HashMap::new();
        for event in &self.events {
            if let Some(worker) = event.event.worker_id() {
                events.entry(worker).or_default().push(event.clone());
            }
        }
        events
            .into_iter()
            .filter_map(|(worker, events)| Some((worker, Self::new(events)?)))
            .collect()
    }
}
