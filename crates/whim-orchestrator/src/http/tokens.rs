//! The tokens of live workers, in memory: heartbeats are too many to ask the database who calls.
//!
//! What is in here only says whose token it is. Whether that worker still has its item is decided by the statements
//! that change something, each time.

use std::collections::HashMap;
use std::sync::RwLock;
use std::time::{Duration, Instant};

use whim_core::WorkerToken;

use crate::lifecycle::Caller;

/// How long an entry is believed; much shorter than the time for which an ended worker's token is answered.
const BELIEVED_FOR: Duration = Duration::from_secs(60);

/// By the hash of the token.
#[derive(Debug, Default)]
pub(super) struct LiveTokens {
    callers: RwLock<HashMap<[u8; 32], (Caller, Instant)>>,
}

impl LiveTokens {
    /// Whose token it is, if it was looked up lately.
    pub(super) fn get(&self, token: &WorkerToken) -> Option<Caller> {
        let callers = self
            .callers
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (caller, since) = callers.get(&token.hash())?;
        (since.elapsed() < BELIEVED_FOR).then(|| caller.clone())
    }

    /// Remembers whose token it is, and forgets what is too old: as many entries as workers that live.
    pub(super) fn insert(&self, token: &WorkerToken, caller: &Caller) {
        let mut callers = self
            .callers
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        callers.retain(|_, (_, since)| since.elapsed() < BELIEVED_FOR);
        callers.insert(token.hash(), (caller.clone(), Instant::now()));
    }
}
