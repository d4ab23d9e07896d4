//! Workers that are between their claim and the runtime's answer.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use whim_core::WorkerId;

/// The starts in progress. Such a worker has a row and no process yet, so reconcilers must not end it: they read the
/// rows first and this set second.
#[derive(Clone, Debug, Default)]
pub struct InFlightStarts {
    workers: Arc<RwLock<BTreeSet<WorkerId>>>,
}

impl InFlightStarts {
    /// Adds a worker until the guard is dropped. Call it before the claim.
    pub(crate) fn begin(&self, worker: WorkerId) -> InFlightGuard {
        self.change(|workers| workers.insert(worker));
        InFlightGuard {
            in_flight_starts: self.clone(),
            worker,
        }
    }

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

#[derive(Debug)]
pub(crate) struct InFlightGuard {
    in_flight_starts: InFlightStarts,
    worker: WorkerId,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.in_flight_starts
            .change(|workers| workers.remove(&self.worker));
    }
}
