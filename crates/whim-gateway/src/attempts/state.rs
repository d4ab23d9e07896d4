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
/// Memory for the bodies of an attempt's requests to the model: two of the largest, or many usual ones.
const MAX_BODY_KIBIBYTES: u32 = 64 * 1024;
/// Heads that are remembered. The branch is at the newest, unless an answer was lost.
const MAX_HEADS: usize = 16;

#[derive(Debug)]
pub(crate) struct AttemptState {
    requests: RwLock<Rate>,
    /// Heads that GitHub accepted from this attempt, the newest last.
    heads: RwLock<VecDeque<CommitHash>>,
    tunnels: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    used: RwLock<Instant>,
}

/// One of the connections that an attempt may have open at a time.
#[derive(Debug)]
pub(crate) struct TunnelPermit {
    _permit: OwnedSemaphorePermit,
}

/// Room for the body of a request.
#[derive(Debug)]
pub(crate) struct BodyPermit {
    /// Never `None`: the semaphore is not closed.
    _permit: Option<OwnedSemaphorePermit>,
}

impl AttemptState {
    pub(super) fn new(requests_per_minute: NonZeroU32) -> Self {
        let now = Instant::now();
        Self {
            requests: RwLock::new(Rate::new(requests_per_minute, now)),
            heads: RwLock::default(),
            tunnels: Arc::new(Semaphore::new(MAX_TUNNELS)),
            bodies: Arc::new(Semaphore::new(MAX_BODY_KIBIBYTES as usize)),
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

    /// Waits until there is room for a body of `bytes`, so that no attempt fills the memory of all.
    pub(crate) async fn reserve_body(&self, bytes: usize) -> BodyPermit {
        let kibibytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let kibibytes = kibibytes.min(MAX_BODY_KIBIBYTES);
        let permit = Arc::clone(&self.bodies).acquire_many_owned(kibibytes).await;
        BodyPermit { _permit: permit.ok() }
    }

    pub(crate) fn pushed(&self, head: CommitHash) {
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

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn bodies_of_an_attempt_wait_for_room() {
        const MEBIBYTE: usize = 1024 * 1024;
        let state = AttemptState::new(NonZeroU32::MIN);
        let first = state.reserve_body(32 * MEBIBYTE).await;
        let _second = state.reserve_body(31 * MEBIBYTE).await;
        let _small = state.reserve_body(1).await;
        assert!(state.reserve_body(MEBIBYTE).now_or_never().is_none());
        drop(first);
        let _third = state.reserve_body(MEBIBYTE).now_or_never().unwrap();
        // More than there is counts as everything, and waits for all others.
        assert!(state.reserve_body(usize::MAX).now_or_never().is_none());
    }
}
