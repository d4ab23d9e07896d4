//! Ready is the absence of latches: no boolean that somebody may forget to set.

use std::sync::Arc;

use tokio::sync::watch;

/// Whether this process can do its work: it can once every latch was released, and until it begins to stop.
///
/// Clones share their state.
#[derive(Clone, Debug)]
pub struct Readiness {
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// A bag, not a set: two components may wait for the same thing.
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
    /// Ready at once, until the first latch is made.
    pub fn new() -> Self {
        Self {
            state: Arc::new(watch::Sender::new(State::default())),
        }
    }

    /// Something that must happen before the process is ready. Make all latches before the first task starts.
    pub fn latch(&self, waiting_for: &'static str) -> Latch {
        self.state
            .send_modify(|state| state.waiting_for.push(waiting_for));
        Latch {
            waiting_for,
            readiness: self.clone(),
        }
    }

    /// From now on the process is not ready, whatever the latches say.
    pub fn stopping(&self) {
        self.state.send_modify(|state| state.stopping = true);
    }

    /// Whether the process can do its work now.
    pub fn is_ready(&self) -> bool {
        self.state.borrow().is_ready()
    }

    /// What keeps the process from being ready, for a person to read.
    pub fn waiting_for(&self) -> Vec<&'static str> {
        let state = self.state.borrow();
        let stopping = state.stopping.then_some("stopping");
        state.waiting_for.iter().copied().chain(stopping).collect()
    }

    /// Waits until the process is ready.
    pub async fn wait(&self) {
        let mut changes = self.state.subscribe();
        // Fails only when the sender is gone, and `self` holds it.
        let _ready = changes.wait_for(State::is_ready).await;
    }
}

/// Holds readiness back until it is released. Dropping it without a release keeps the process unready: the
/// component that held it has failed.
#[derive(Debug)]
#[must_use = "the process is never ready unless the latch is released"]
pub struct Latch {
    waiting_for: &'static str,
    readiness: Readiness,
}

impl Latch {
    /// The thing has happened.
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
