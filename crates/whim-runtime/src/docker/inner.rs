//! The state that all operations of the `docker` runtime share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use chrono::Utc;
use tokio::sync::watch;
use whim_containers::DockerConfig;
use whim_core::WorkerId;

use super::engine::Engine;
use super::exit::Ended;
use super::outage::Outage;
use crate::instance::Instance;

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) instance: Instance,
    pub(super) config: DockerConfig,
    pub(super) stop_grace: Duration,
    pub(super) engine: Engine,
    cache: RwLock<RuntimeCache>,
    /// Changes when the engine is available again.
    pub(super) returned: watch::Sender<()>,
}

/// What the engine does not know, and what saves requests to it.
#[derive(Debug)]
pub(super) struct RuntimeCache {
    pub(super) outage: Outage,
    /// The names of containers that are being started.
    pub(super) starting: BTreeSet<String>,
    /// Workers whose stop was requested.
    pub(super) stopped: BTreeSet<WorkerId>,
    /// The identifiers of containers with an out-of-memory event.
    pub(super) out_of_memory: BTreeSet<String>,
    /// Containers that have ended, by identifier. A container ends once, so it is inspected once.
    pub(super) ended: BTreeMap<String, Ended>,
}

impl Inner {
    pub(super) fn new(instance: Instance, config: DockerConfig, stop_grace: Duration) -> Self {
        let cache = RuntimeCache {
            outage: Outage::new(Utc::now()),
            starting: BTreeSet::new(),
            stopped: BTreeSet::new(),
            out_of_memory: BTreeSet::new(),
            ended: BTreeMap::new(),
        };
        Self {
            instance,
            stop_grace,
            engine: Engine::new(&config.host),
            config,
            cache: RwLock::new(cache),
            returned: watch::Sender::new(()),
        }
    }

    pub(super) fn cache<T>(&self, change: impl FnOnce(&mut RuntimeCache) -> T) -> T {
        // Nothing that runs under the lock can leave the sets half changed.
        change(&mut self.cache.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records that the engine answered.
    pub(super) fn record_answer(&self) {
        if self.cache(|cache| cache.outage.end(Utc::now())) {
            self.returned.send_replace(());
        }
    }
}
