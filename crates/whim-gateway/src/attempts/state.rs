//! What this gateway knows of an attempt. Nothing of it is needed after a restart.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use whim_core::CommitHash;

use super::rate::Rate;

/// A package manager opens some tens of connections.
const MAX_TUNNELS: usize = 64;
/// Heads that are remembered. The branch is at the newest, unless an answer was lost.
const MAX_HEADS: usize = 16;

#[derive(Debug)]
pub(crate) struct AttemptState {
    requests: RwLock<Rate>,
    /// Heads that were forwarded to GitHub for this attempt, the newest last.
    heads: RwLock<VecDeque<CommitHash>>,
    tunnels: Arc<Semaphore>,
    used: RwLock<Instant>,
}

/// One of the connections that an attempt may have open at a time.
#[derive(Debug)]
pub(crate) struct TunnelPermit {
    _permit: OwnedSemaphorePermit,
}

impl AttemptState {
    pub(super) fn new(requests_per_minute: NonZeroU32) -> Self {
        let now = Instant::now();
        Self {
            requests: RwLock::new(Rate::new(requests_per_minute, now)),
            heads: RwLock::default(),
            tunnels: Arc::new(Semaphore::new(MAX_TUNNELS)),
            used: RwLock::new(now),
        }
    }

    /// Counts a request to the model API.
    ///
    /// # Errors
    /// There were too many in this minute: the time until the next is allowed.
    pub(crate) fn count_request(&self) -> Result<(), Duration> {
        let mut requests = self.requests.write().unwrap_or_else(PoisonError::into_inner);
        requests.count(Instant::now())
    }

    /// `None` if the attempt has too many connections already.
    pub(crate) fn open_tunnel(&self) -> Option<TunnelPermit> {
        let permit = Arc::clone(&self.tunnels).try_acquire_owned().ok()?;
        Some(TunnelPermit { _permit: permit })
    }

    pub(crate) fn pushes(&self, head: CommitHash) {
        let mut heads = self.heads.write().unwrap_or_else(PoisonError::into_inner);
        if heads.len() >= MAX_HEADS {
            heads.pop_front();
        }
        heads.push_back(head);
    }

    pub(crate) fn has_pushed(&self, head: &CommitHash) -> bool {
        let heads = self.heads.read().unwrap_or_else(PoisonError::into_inner);
        heads.contains(head)
    }

    pub(super) fn touch(&self) {
        *self.used.write().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(super) fn idle(&self) -> Duration {
        self.used.read().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}
