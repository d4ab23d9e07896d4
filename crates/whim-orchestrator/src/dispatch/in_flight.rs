//! The starts that are going on.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use whim_core::WorkerId;

/// The workers between their claim and the runtime's answer.
///
/// Their rows exist and their processes do not yet, so reconcilers leave them alone: they look at the rows first and
/// here second.
#[derive(Clone, Debug, Default)]
pub struct InFlightStarts {
    workers: Arc<RwLock<BTreeSet<WorkerId>>>,
}

impl InFlightStarts {
    /// Notes a worker until the answer is dropped. To be called before the claim.
    pub(super) fn begin(&self, worker: WorkerId) -> InFlightGuard {
        self.change(|workers| workers.insert(worker));
        InFlightGuard {
            in_flight_starts: self.clone(),
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
pub(super) struct InFlightGuard {
    in_flight_starts: InFlightStarts,
    worker: WorkerId,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.in_flight_starts
            .change(|workers| workers.remove(&self.worker));
    }
}
