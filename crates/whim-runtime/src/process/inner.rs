//! The state that all operations of the `process` runtime share.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use whim_core::WorkerId;

use super::directory::AttemptDirectory;
use super::user::WorkerUser;
use crate::instance::Instance;

/// The environment variable that marks every process of an attempt; its value is the worker's identifier.
pub(super) const MARKER: &str = "WHIM_ATTEMPT";

/// Interval at which shims are polled. The kernel reports the exit of children only, and shims outlive their parent.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) instance: Instance,
    pub(super) user: WorkerUser,
    pub(super) shim_program: PathBuf,
    pub(super) worker_program: Option<PathBuf>,
    pub(super) ralph_program: Option<PathBuf>,
    pub(super) path: String,
    /// Environment variables of toolchain managers, with their directories below this program's home.
    pub(super) toolchains: Vec<(&'static str, PathBuf)>,
    pub(super) stop_grace: Duration,
    pub(super) cache: RwLock<RuntimeCache>,
}

/// Saves reads of the disk, and knows the attempts that are not on it yet.
#[derive(Debug, Default)]
pub(super) struct RuntimeCache {
    /// Their directories are being created, or their shims have not answered yet.
    pub(super) starting: BTreeSet<WorkerId>,
    /// Not known to have ended.
    pub(super) running: BTreeSet<WorkerId>,
}

impl Inner {
    pub(super) fn directory(&self, worker: WorkerId) -> AttemptDirectory {
        AttemptDirectory::of(&self.instance.workspaces, worker)
    }

    pub(super) fn cache<T>(&self, change: impl FnOnce(&mut RuntimeCache) -> T) -> T {
        // Nothing that runs under the lock can leave the sets half changed.
        change(&mut self.cache.write().unwrap_or_else(PoisonError::into_inner))
    }
}
