//! The composition root: from a configuration to a running orchestrator.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;
use whim_runtime::{Runtime, WorkerListener};
use whim_service::admin::{self, Admin};
use whim_service::backoff::{self, BackoffBuilder as _, ExponentialBuilder};
use whim_service::chain::chain;
use whim_service::metrics::{Family, Metrics, Sample};
use whim_service::readiness::Readiness;
use whim_service::reconcile::Reconcilers;
use whim_service::secret::ExposeSecret as _;
use whim_service::supervisor::{Phase, Supervisor};
use whim_service::telemetry::LogLevels;

use super::{App, Parts};
use crate::config::{ApiConfig, Config, DatabaseConfig};
use crate::dispatch;
use crate::events::{self, EventHub};
use crate::in_flight::InFlightStarts;
use crate::intake_activity::IntakeActivity;
use crate::lifecycle::{self, Heartbeats};
use crate::limits::Limits;
use crate::locks::Locks;
use crate::metrics;
use crate::queue_sampler::{self, QueueSampler};
use crate::redis_connection::RedisConnection;
use crate::wakers::Wakers;
use crate::{breakers, db, http, reconcile};

/// What it is called where it tells its name.
const PROGRAM: &str = "whim-orchestrator";

/// How long a stop may take; running workers are not waited for, they go on without this program
/// (`FAULTS.md`, row 45).
pub const STOP_DEADLINE: Duration = Duration::from_secs(9);

/// Between attempts to connect to a Postgres that was started together with this program.
const WHILE_STARTING: ExponentialBuilder =
    backoff::exponential(Duration::from_millis(200), Duration::from_secs(3));

/// As long as that may take: about ten seconds.
const CONNECT_ATTEMPTS: usize = 7;
/// The same where each attempt takes its time: none begins after this.
const CONNECT_PATIENCE: Duration = Duration::from_secs(8);
/// One attempt: a connection on which nothing comes back does not end by itself.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// Connections for the API, and as many for the worker protocol and the background work.
const CONNECTIONS: u32 = 8;

/// The sockets, bound before anything else is tried.
#[derive(Debug)]
pub struct Listeners {
    api: TcpListener,
    worker: TcpListener,
    admin: Option<TcpListener>,
}

impl Listeners {
    /// Binds all addresses.
    ///
    /// # Errors
    /// An address is in use or not this machine's; the error names the setting.
    pub async fn bind(config: &ApiConfig) -> anyhow::Result<Self> {
        let bind = async |address: SocketAddr, setting: &str| {
            TcpListener::bind(address)
                .await
                .with_context(|| format!("listening on {address} ({setting})"))
        };
        Ok(Self {
            api: bind(config.address, "BIND_ADDRESS and PORT").await?,
            worker: bind(config.worker_address, "WORKER_BIND_ADDRESS and WORKER_PORT").await?,
            admin: match config.admin_address {
                Some(address) => Some(bind(address, "ADMIN_PORT").await?),
                None => None,
            },
        })
    }

    /// Where the routes are served.
    ///
    /// # Errors
    /// A socket does not know its address.
    pub fn addresses(&self) -> anyhow::Result<Addresses> {
        let url = |listener: &TcpListener| -> anyhow::Result<Url> {
            let address = callable(listener.local_addr()?);
            Ok(Url::parse(&format!("http://{address}"))?)
        };
        Ok(Addresses {
            api: url(&self.api).context("asking for the address of the API")?,
            worker_api: url(&self.worker).context("asking for the address of the worker listener")?,
        })
    }
}

/// Where the routes are served; written to the file of `--ready-file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The API.
    pub api: Url,
    /// The routes of the workers.
    pub worker_api: Url,
}

impl Serialize for Addresses {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Without the slash that a URL ends with: paths are appended to these.
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Bases<'a> {
            api: &'a str,
            worker_api: &'a str,
        }
        Bases {
            api: self.api.as_str().trim_end_matches('/'),
            worker_api: self.worker_api.as_str().trim_end_matches('/'),
        }
        .serialize(serializer)
    }
}

/// An address that can be called from this machine: a listener on every address is reached on loopback.
pub(crate) fn callable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), v4.port())
        }
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), v6.port())
        }
        SocketAddr::V4(_) | SocketAddr::V6(_) => address,
    }
}

/// Opens the configured runtime.
///
/// # Errors
/// It cannot be used on this machine as it is configured.
pub async fn open_runtime(config: &Config) -> anyhow::Result<Arc<dyn Runtime>> {
    let is_loopback = config.api.worker_url.is_none() && config.api.worker_address.ip().is_loopback();
    let listener = if is_loopback {
        WorkerListener::Loopback
    } else {
        WorkerListener::Network
    };
    whim_runtime::open(&config.runtime, listener).await
}

/// Connects to Postgres, which may be just starting, and applies the migrations that are missing. Several may do so at
/// once.
///
/// # Errors
/// Postgres stays away, or a migration fails.
pub async fn migrate(config: &DatabaseConfig) -> anyhow::Result<()> {
    let options = connect_options(config)?;
    let mut connection = connect(&options).await.context("connecting to DATABASE_URL")?;
    db::MIGRATOR
        .run(&mut connection)
        .await
        .context("applying the migrations to DATABASE_URL")?;
    connection
        .close()
        .await
        .context("closing the connection of the migrations")
}

/// Connects to a Postgres that may be just starting.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, ConnectError> {
    let begin = Instant::now();
    let mut delays = WHILE_STARTING.build().take(CONNECT_ATTEMPTS - 1);
    loop {
        let attempt = tokio::time::timeout(CONNECT_LIMIT, PgConnection::connect_with(options));
        let error = match attempt.await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => ConnectError::Failed(error),
            Err(_elapsed) => ConnectError::Silent,
        };
        let is_in_time = |_delay: &Duration| error.may_be_starting() && begin.elapsed() < CONNECT_PATIENCE;
        let Some(delay) = delays.next().filter(is_in_time) else {
            return Err(error);
        };
        tracing::warn!(error = %chain(&error), "Postgres does not answer yet");
        tokio::time::sleep(delay).await;
    }
}

/// Why there is no connection to Postgres.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error(transparent)]
    Failed(sqlx::Error),
    /// Something took the connection, or nothing refused it.
    #[error(
        "nothing answers within {} s: check the host and port of DATABASE_URL, and whether the Postgres there hangs or a \
         firewall lies between",
        CONNECT_LIMIT.as_secs()
    )]
    Silent,
}

impl ConnectError {
    /// Whether Postgres does not listen yet, does not answer yet, or says that it is starting up.
    fn may_be_starting(&self) -> bool {
        match self {
            Self::Failed(error) => may_be_starting(error),
            Self::Silent => true,
        }
    }
}

fn may_be_starting(error: &sqlx::Error) -> bool {
    const CANNOT_CONNECT_NOW: &str = "57P03";
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(error, sqlx::Error::Io(_)) || code.as_deref() == Some(CANNOT_CONNECT_NOW)
}

/// Starts everything as tasks of `supervisor`, and returns when it runs.
///
/// # Errors
/// Postgres is away or cannot be migrated, or a URL is wrong.
pub async fn start(
    config: Config,
    runtime: Arc<dyn Runtime>,
    listeners: Listeners,
    levels: Option<LogLevels>,
    supervisor: &Supervisor,
) -> anyhow::Result<App> {
    let addresses = listeners.addresses()?;
    // Before anything is counted. Nobody counts where nobody can ask.
    let metrics = levels.is_some() && listeners.admin.is_some();
    let metrics = metrics.then(|| Metrics::install(PROGRAM, env!("CARGO_PKG_VERSION"), &metric_families()));
    migrate(&config.database).await?;
    let app = build(config, runtime, &addresses)?;
    breakers::probe_refused_credentials(&app.work_database, &app.config).await;

    let readiness = Readiness::new();
    let (intake, work) = (supervisor.phase(Phase::Intake), supervisor.phase(Phase::Work));
    let reconcilers = Reconcilers::new(work.clone());
    reconcile::start(&app, &reconcilers, &work.token());
    let (watched, stop) = (app.clone(), work.token());
    work.best_effort("runtime-exits", move || {
        reconcile::watch_runtime(watched.clone(), stop.clone())
    });
    let (listening, stop) = (app.clone(), intake.token());
    intake.best_effort("notifications", move || {
        dispatch::listen(listening.clone(), stop.clone())
    });
    // As long as submissions are answered.
    work.critical(
        "notifications-of-work",
        dispatch::announce(app.clone(), work.token()),
    );
    intake.critical("long-answers", end_long_answers(app.clone(), intake.token()));
    intake.critical("live-events", events::run(app.clone(), intake.token()));
    let (listening, stop) = (app.clone(), intake.token());
    intake.best_effort("event-notices", move || {
        events::listen(listening.clone(), stop.clone())
    });
    work.critical("event-announcements", events::announce(app.clone(), work.token()));
    work.critical(
        "heartbeats",
        lifecycle::write_heartbeats(app.clone(), work.token()),
    );
    intake.critical("dispatcher", dispatch::run(app.clone(), intake.token()));

    let Listeners { api, worker, admin } = listeners;
    let head_limit = app.config.api.head_limit;
    intake.critical(
        "api",
        http::serve(api, http::api_router(app.clone()), head_limit, intake.token()),
    );
    // Workers go on calling while the API drains; what they ask is answered until the work ends.
    work.critical(
        "worker-api",
        http::serve(worker, http::worker_router(app.clone()), head_limit, work.token()),
    );
    if let (Some(listener), Some(levels), Some(metrics)) = (admin, levels, metrics) {
        metrics::begin_at_zero();
        let sampler = Arc::new(QueueSampler::new(app.clone()));
        let sample: Sample = Arc::new(move || {
            let sampler = Arc::clone(&sampler);
            Box::pin(async move { sampler.sample().await })
        });
        let admin = Admin {
            readiness,
            statuses: reconcilers.statuses(),
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

/// Puts the shared parts together; nothing runs and nothing is connected yet.
///
/// # Errors
/// A URL is wrong.
pub fn build(config: Config, runtime: Arc<dyn Runtime>, addresses: &Addresses) -> anyhow::Result<App> {
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
        heartbeats: Heartbeats::default(),
        events: EventHub::default(),
        closing: CancellationToken::new(),
        config,
    }))
}

fn connect_options(config: &DatabaseConfig) -> anyhow::Result<PgConnectOptions> {
    let options: PgConnectOptions = config
        .url
        .expose_secret()
        .parse()
        .context("reading DATABASE_URL")?;
    Ok(options.application_name(PROGRAM))
}

/// On `stop`, ends the answers that would go on for ever: who serves would wait for them.
async fn end_long_answers(app: App, stop: CancellationToken) -> anyhow::Result<()> {
    stop.cancelled().await;
    app.closing.cancel();
    Ok(())
}
