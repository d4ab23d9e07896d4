//! What the parts of a running orchestrator share, and the composition root that builds and starts them.

pub mod serve;

use std::ops::Deref;
use std::sync::Arc;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use url::Url;
use whim_runtime::Runtime;

use crate::config::Config;
use crate::events::EventHub;
use crate::in_flight::InFlightStarts;
use crate::intake_activity::IntakeActivity;
use crate::lifecycle::Heartbeats;
use crate::limits::Limits;
use crate::locks::Locks;
use crate::redis_connection::RedisConnection;
use crate::wakers::Wakers;

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
    /// When the intake called last.
    pub intake_activity: IntakeActivity,
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
