//! State shared by the components of a running orchestrator. [`crate::serve`] builds and starts them.

use std::ops::Deref;
use std::sync::Arc;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use url::Url;
use whim_runtime::Runtime;
use whim_service::environment::Effective;
use whim_service::reconcile::Statuses;

use crate::config::Config;
use crate::costs::Prices;
use crate::daily_metrics::DailyMetrics;
use crate::events::EventHub;
use crate::in_flight::InFlightStarts;
use crate::intake_activity::IntakeActivity;
use crate::learnings::Embedder;
use crate::lifecycle::Heartbeats;
use crate::limits::Limits;
use crate::locks::Locks;
use crate::redis_connection::RedisConnection;
use crate::wakers::Wakers;
use crate::work::Submissions;

/// State shared by handlers, transitions, the dispatcher and the reconcilers. Clones share it.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// The parts of an [`App`].
#[derive(Debug)]
pub struct Parts {
    pub config: Config,
    /// Values of all settings, with secrets redacted.
    pub settings: Effective,
    /// Pool of the API. Separate, so that slow queries of people do not delay workers (`docs/faults.md`, row 28).
    pub database: PgPool,
    /// Pool of the worker protocol, the dispatcher and the reconcilers.
    pub work_database: PgPool,
    pub redis: RedisConnection,
    pub locks: Locks,
    /// Cooldown and the copy of the daily budget.
    pub limits: Limits,
    pub runtime: Arc<dyn Runtime>,
    /// URL that workers call.
    pub worker_url: Url,
    /// Workers that are being started.
    pub in_flight_starts: InFlightStarts,
    pub wakers: Wakers,
    /// Time of the latest call of the intake.
    pub intake_activity: IntakeActivity,
    /// Submissions that wait to be inserted.
    pub submissions: Submissions,
    /// Heartbeats that wait to be written.
    pub heartbeats: Heartbeats,
    /// List prices of the model API.
    pub prices: Prices,
    /// What `/api/metrics` returns.
    pub daily_metrics: DailyMetrics,
    /// Runs of the reconcilers.
    pub tasks: Statuses,
    /// Subscriptions to live events.
    pub events: EventHub,
    /// Turns learnings and queries into vectors.
    pub embedder: Embedder,
    /// Cancelled when the program stops, to end streaming responses.
    pub closing: CancellationToken,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
