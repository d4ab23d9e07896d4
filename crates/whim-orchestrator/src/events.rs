//! Live events: everybody who watches is shown the history as it grows.
//!
//! What is shown is read from Postgres, up to the horizon (see the migration of the events), by one task for all viewers
//! of this orchestrator. So live and replayed events are the same, in one order over all orchestrators, without gaps and
//! without repetitions, and an event's identifier is a place in that order. Redis only says "look": an orchestrator that
//! notify_changed something tells the others. When nobody says so, or Redis is away, the task looks every second. Without viewers
//! nothing is read.

mod hub;
mod pubsub;
mod subscription;

use std::sync::{Arc, OnceLock};

use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

pub use self::hub::run;
pub use self::pubsub::{announce, listen};
pub use self::subscription::{NotWatched, Shown, watch};

/// Where viewers come together. Clones are the same.
#[derive(Clone, Debug)]
pub struct EventHub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Asks the hub to look.
    look: Notify,
    /// Asks for the other orchestrators to be told.
    announce: Notify,
    /// Empty until the hub runs.
    joins: OnceLock<mpsc::Sender<hub::Join>>,
    /// Which of several orchestrators this is.
    id: Uuid,
}

impl Default for EventHub {
    fn default() -> Self {
        Self(Arc::new(Inner {
            look: Notify::new(),
            announce: Notify::new(),
            joins: OnceLock::new(),
            id: Uuid::new_v4(),
        }))
    }
}

impl EventHub {
    /// Something may have happened, and is committed: viewers are to see it. A call too many costs a look.
    pub fn notify_changed(&self) {
        self.0.look.notify_one();
        self.0.announce.notify_one();
    }
}
