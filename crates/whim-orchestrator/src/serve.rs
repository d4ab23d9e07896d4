//! The composition root: builds a running orchestrator from a configuration.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use whim_runtime::{Runtime, WorkerListener};
use whim_service::admin::{self, Admin};
use whim_service::environment::Configured;
use whim_service::listen;
use whim_service::metrics::{Family, Metrics, Sample};
use whim_service::readiness::Readiness;
use whim_service::reconcile::{Reconcilers, Statuses};
use whim_service::supervisor::{Phase, Supervisor};
use whim_service::telemetry::LogLevels;

use crate::app::{App, Parts};
use crate::config::Config;
use crate::costs::Prices;
use crate::daily_metrics::DailyMetrics;
use crate::dispatch;
use crate::events::{self, EventHub};
use crate::in_flight::InFlightStarts;
use crate::intake_activity::IntakeActivity;
use crate::learnings::Embedder;
use crate::lifecycle::{self, Heartbeats};
use crate::limits::Limits;
use crate::listeners::{Addresses, Listeners};
use crate::locks::Locks;
use crate::metrics;
use crate::migrate::{connect_options, migrate};
use crate::queue_sampler::{self, QueueSampler};
use crate::redis_connection::RedisConnection;
use crate::wakers::Wakers;
use crate::work::{self, Submissions};
use crate::{PROGRAM, breakers, db, http, reconcile};

/// Limit of an orderly stop. Running workers are not waited for: they go on without this program (`docs/faults.md`, row 45).
pub const STOP_DEADLINE: Duration = Duration::from_secs(9);

/// Connections of each of the two pools.
const CONNECTIONS: u32 = 8;

/// Opens the configured runtime.
///
/// # Errors
/// The runtime cannot be used with these settings.
pub async fn open_runtime(config: &Config) -> anyhow::Result<Arc<dyn Runtime>> {
    let is_loopback = config.api.worker_url.is_none() && config.api.worker_address.ip().is_loopback();
    let listener = if is_loopback {
        WorkerListener::Loopback
    } else {
        WorkerListener::Network
    };
    whim_runtime::open(&config.runtime, listener).await
}

/// Starts everything as tasks of `supervisor` and returns when it runs.
///
/// # Errors
/// Postgres is unavailable or cannot be migrated, or a URL is invalid.
pub async fn start(
    configured: Configured<Config>,
    runtime: Arc<dyn Runtime>,
    listeners: Listeners,
    levels: Option<LogLevels>,
    supervisor: &Supervisor,
) -> anyhow::Result<App> {
    let addresses = listeners.addresses()?;
    // Before anything is counted. Without an admin listener there is nothing to scrape.
    let metrics = levels.is_some() && listeners.admin.is_some();
    let metrics = metrics.then(|| Metrics::install(PROGRAM, env!("CARGO_PKG_VERSION"), &metric_families()));
    migrate(&configured.config.database).await?;
    let (intake, work) = (supervisor.phase(Phase::Intake), supervisor.phase(Phase::Work));
    let reconcilers = Reconcilers::new(work.clone());
    let app = build(configured, runtime, &addresses, reconcilers.statuses())?;
    breakers::probe_refused_credentials(&app.work_database, &app.config).await;

    let readiness = Readiness::new();
    reconcile::start(&app, &reconcilers, &work.token());
    let (watched, stop) = (app.clone(), work.token());
    work.best_effort("runtime-exits", move || {
        reconcile::watch_runtime(watched.clone(), stop.clone())
    });
    let (listening, stop) = (app.clone(), intake.token());
    intake.best_effort("notifications", move || {
        dispatch::listen(listening.clone(), stop.clone())
    });
    // Runs as long as submissions are accepted.
    work.critical(
        "notifications-of-work",
        dispatch::announce(app.clone(), work.token()),
    );
    intake.critical("streams", end_streams(app.clone(), intake.token()));
    intake.critical(
        "live-events",
        events::run(app.events.clone(), app.work_database.clone(), intake.token()),
    );
    let (listening, stop) = (app.clone(), intake.token());
    intake.best_effort("event-notices", move || {
        events::listen(listening.events.clone(), listening.redis.clone(), stop.clone())
    });
    work.critical(
        "event-announcements",
        events::publish(app.events.clone(), app.redis.clone(), work.token()),
    );
    // Runs as long as submissions are accepted.
    work.critical("submissions", work::write_submissions(app.clone(), work.token()));
    work.critical(
        "heartbeats",
        lifecycle::write_heartbeats(app.clone(), work.token()),
    );
    intake.critical("dispatcher", dispatch::run(app.clone(), intake.token()));

    let Listeners { api, worker, admin } = listeners;
    let head_limit = app.config.api.head_limit;
    intake.critical(
        "api",
        listen::serve(api, http::api_router(app.clone()), head_limit, intake.token()),
    );
    // Workers go on calling while the API drains.
    work.critical(
        "worker-api",
        listen::serve(worker, http::worker_router(app.clone()), head_limit, work.token()),
    );
    if let (Some(listener), Some(levels), Some(metrics)) = (admin, levels, metrics) {
        metrics::initialise();
        let sampler = Arc::new(QueueSampler::new(app.clone()));
        let sample: Sample = Arc::new(move || {
            let sampler = Arc::clone(&sampler);
            Box::pin(async move { sampler.sample().await })
        });
        let admin = Admin {
            readiness,
            statuses: app.tasks.clone(),
            levels,
            metrics: metrics.with_sample(sample),
        };
        work.critical("admin", admin::serve(listener, admin, work.token()));
    }
    Ok(app)
}

/// Every metric of the orchestrator, besides those that all programs have.
pub fn metric_families() -> Vec<Family> {
    metrics::COUNTED
        .into_iter()
        .chain(queue_sampler::GAUGES)
        .collect()
}

/// Builds the shared parts. Nothing runs and nothing is connected yet.
///
/// # Errors
/// A URL is invalid, or `PRICES_FILE` cannot be used.
pub fn build(
    configured: Configured<Config>,
    runtime: Arc<dyn Runtime>,
    addresses: &Addresses,
    tasks: Statuses,
) -> anyhow::Result<App> {
    let Configured { config, effective } = configured;
    let options = connect_options(&config.database)?;
    let redis = RedisConnection::lazy(&config.redis)?;
    let worker_url = config
        .api
        .worker_url
        .clone()
        .unwrap_or_else(|| addresses.worker_api.clone());
    Ok(App::new(Parts {
        database: db::api_pool(options.clone(), CONNECTIONS),
        work_database: db::work_pool(options, CONNECTIONS),
        locks: Locks::new(redis.clone()),
        limits: Limits::new(redis.clone(), config.limits.cooldown),
        intake_activity: IntakeActivity::new(redis.clone()),
        redis,
        runtime,
        worker_url,
        in_flight_starts: InFlightStarts::default(),
        wakers: Wakers::default(),
        submissions: Submissions::default(),
        heartbeats: Heartbeats::default(),
        prices: Prices::load(config.prices_file.as_deref())?,
        daily_metrics: DailyMetrics::default(),
        tasks,
        events: EventHub::default(),
        embedder: Embedder::new(config.learnings.clone()),
        closing: CancellationToken::new(),
        settings: effective,
        config,
    }))
}

/// On `stop`, ends the streaming responses, for which a graceful shutdown would wait.
async fn end_streams(app: App, stop: CancellationToken) -> anyhow::Result<()> {
    stop.cancelled().await;
    app.closing.cancel();
    Ok(())
}
