//! Readiness as the absence of latches, so that no flag has to be set.

use std::sync::Arc;

use tokio::sync::watch;

/// Whether this process can do its work: after every latch was released, and until it stops.
///
/// Clones share their state.
#[derive(Clone, Debug)]
pub struct Readiness {
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Not a set: two components may wait for the same thing.
    waiting_for: Vec<&'static str>,
    stopping: bool,
}

impl State {
    fn is_ready(&self) -> bool {
        self.waiting_for.is_empty() && !self.stopping
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl Readiness {
    /// Ready until the first latch is created.
    pub fn new() -> Self {
        Self {
            state: Arc::new(watch::Sender::new(State::default())),
        }
    }

    /// Adds a condition for readiness. Must be called before the first task starts.
    pub fn latch(&self, waiting_for: &'static str) -> Latch {
        self.state
            .send_modify(|state| state.waiting_for.push(waiting_for));
        Latch {
            waiting_for,
            readiness: self.clone(),
        }
    }

    /// The process is not ready from now on.
    pub fn stopping(&self) {
        self.state.send_modify(|state| state.stopping = true);
    }

    pub fn is_ready(&self) -> bool {
        self.state.borrow().is_ready()
    }

    /// The conditions that are not met, for people.
    pub fn waiting_for(&self) -> Vec<&'static str> {
        let state = self.state.borrow();
        let stopping = state.stopping.then_some("stopping");
        state.waiting_for.iter().copied().chain(stopping).collect()
    }

    pub async fn wait(&self) {
        let mut changes = self.state.subscribe();
        // Fails only if the sender was dropped, and `self` holds it.
        changes.wait_for(State::is_ready).await.ok();
    }
}

/// Delays readiness until it is released. Dropping it without a release keeps the process unready, because the component
/// that owned it has failed.
#[derive(Debug)]
#[must_use = "the process is never ready unless the latch is released"]
pub struct Latch {
    waiting_for: &'static str,
    readiness: Readiness,
}

impl Latch {
    pub fn release(self) {
        self.readiness.state.send_modify(|state| {
            let held = state
                .waiting_for
                .iter()
                .position(|name| *name == self.waiting_for);
            if let Some(position) = held {
                state.waiting_for.remove(position);
            }
        });
    }
}
