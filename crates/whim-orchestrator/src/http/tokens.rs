//! A cache of worker tokens: heartbeats are too frequent to look each caller up in the database.
//!
//! An entry only identifies the worker. Whether it still holds its item is checked by each statement that changes
//! something.

use std::collections::HashMap;
use std::sync::RwLock;
use std::time::{Duration, Instant};

use whim_core::WorkerToken;

use crate::lifecycle::Caller;

/// Lifetime of an entry; much shorter than the time for which the token of an ended worker is accepted.
const TIME_TO_LIVE: Duration = Duration::from_secs(60);

/// By the hash of the token.
#[derive(Debug, Default)]
pub(super) struct LiveTokens {
    callers: RwLock<HashMap<[u8; 32], (Caller, Instant)>>,
}

impl LiveTokens {
    pub(super) fn get(&self, token: &WorkerToken) -> Option<Caller> {
        let callers = self
            .callers
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (caller, since) = callers.get(&token.hash())?;
        (since.elapsed() < TIME_TO_LIVE).then(|| caller.clone())
    }

    /// Also removes expired entries, so that the cache holds about as many entries as there are live workers.
    pub(super) fn insert(&self, token: &WorkerToken, caller: &Caller) {
        let mut callers = self
            .callers
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        callers.retain(|_, (_, since)| since.elapsed() < TIME_TO_LIVE);
        callers.insert(token.hash(), (caller.clone(), Instant::now()));
    }
}
