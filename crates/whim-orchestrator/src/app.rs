//! What the parts of a running orchestrator share, and the composition root that builds and starts them.

pub mod serve;

use std::ops::Deref;
use std::sync::Arc;

use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use url::Url;
use whim_runtime::Runtime;
use whim_service::reconcile::Activator;

use crate::config::Config;
use crate::dispatch::InFlightStarts;
use crate::events::EventHub;
use crate::lifecycle::Heartbeats;
use crate::limits::Limits;
use crate::locks::Locks;
use crate::redis_connection::RedisConnection;

/// What handlers, transitions, the dispatcher and the reconcilers share. Clones are the same.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// The parts of an [`App`].
#[derive(Debug)]
pub struct Parts {
    /// The settings.
    pub config: Config,
    /// Postgres for the API, whose slow questions must not keep a worker waiting (`FAULTS.md`, row 28).
    pub database: PgPool,
    /// Postgres for the worker protocol, the dispatcher and the reconcilers.
    pub work_database: PgPool,
    /// Redis.
    pub redis: RedisConnection,
    /// Files that workers locked.
    pub locks: Locks,
    /// The cooldown and the copy of the budget.
    pub limits: Limits,
    /// What starts workers.
    pub runtime: Arc<dyn Runtime>,
    /// What workers are told to call.
    pub worker_url: Url,
    /// Workers that are being started just now.
    pub in_flight_starts: InFlightStarts,
    /// Asks the background work to look.
    pub wakers: Wakers,
    /// Heartbeats on their way to the database.
    pub heartbeats: Heartbeats,
    /// Who watches what happens.
    pub events: EventHub,
    /// Cancelled when the program stops: answers that would go on for ever end then.
    pub closing: CancellationToken,
}

impl App {
    /// The shared form of these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

macro_rules! wakers {
    ($(#[doc = $doc:literal] $name:ident,)*) => {
        /// Asks the background work to look. Never says what to do: who is poked looks at the rows.
        #[derive(Clone, Debug, Default)]
        pub struct Wakers {
            /// The dispatcher: something may be claimable, or a slot, budget or time became free.
            pub dispatch: Arc<Notify>,
            /// Who tells the other orchestrators that something is claimable.
            pub announce: Arc<Notify>,
            $(#[doc = $doc] pub $name: Activator,)*
        }

        impl Wakers {
            /// Something was queued, and is committed: this orchestrator looks at once, the others are told.
            pub fn queued(&self) {
                self.dispatch.notify_one();
                self.announce.notify_one();
            }

            /// Asks everything to look.
            pub fn everything(&self) {
                self.dispatch.notify_one();
                $(self.$name.activate();)*
            }
        }
    };
}

wakers! {
    /// What failed and may work again.
    breakers,
    /// Due retries.
    retries,
    /// Workers that are too late: leases that ended, no registration, no progress.
    expired_leases,
    /// Processes or containers of workers that ended.
    terminate,
    /// Workers whose process or container ended.
    reap,
    /// The copy of the budget.
    budget,
    /// The rows that make up the counts of items.
    counts,
    /// Locks of workers that ended, and a Redis that lost those of live ones.
    locks,
    /// What the runtime has left of old attempts.
    garbage,
    /// LongTransactions of Postgres that are too old.
    long_transactions,
    /// The days of the history.
    event_partitions,
}
