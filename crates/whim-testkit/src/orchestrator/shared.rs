//! State shared by request handlers and the test.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::faults::Faults;
use super::state::State;
use crate::journal::Journal;

#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) faults: Faults,
    pub(super) journal: Journal,
    state: RwLock<State>,
}

impl Shared {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
