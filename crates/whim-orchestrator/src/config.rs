//! The configuration: a pure function of the environment, one struct a concern.

pub mod api;
pub mod limits;
pub mod runtime;
pub mod storage;

use std::time::Duration;

use whim_core::protocol::worker::HEARTBEATS_PER_TEST_PROGRESS;
use whim_service::environment::{ConfigError, Configured, Environment, Setting};
use whim_service::telemetry::TelemetryConfig;

pub use self::api::ApiConfig;
pub use self::limits::{BreakersConfig, LifecycleConfig, LimitsConfig, PerRepository, Periods};
pub use self::runtime::{RuntimeConfig, RuntimeKind};
pub use self::storage::{DatabaseConfig, RedisConfig};

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// What is logged, and how.
    pub telemetry: TelemetryConfig,
    /// Where the routes are served.
    pub api: ApiConfig,
    /// Postgres.
    pub database: DatabaseConfig,
    /// Redis.
    pub redis: RedisConfig,
    /// How much is done at once and in a day.
    pub limits: LimitsConfig,
    /// When what fails is spared.
    pub breakers: BreakersConfig,
    /// When a worker counts as dead or stuck, and what follows.
    pub lifecycle: LifecycleConfig,
    /// How often is looked without being told.
    pub periods: Periods,
    /// What starts workers, and what they are told.
    pub runtime: RuntimeConfig,
}

impl Config {
    /// Reads the whole configuration and checks settings against each other.
    ///
    /// # Errors
    /// Everything that is wrong, one line each.
    pub fn from_environment(environment: Environment) -> Result<Configured<Self>, ConfigError> {
        environment.build(Self::read)
    }

    /// Every setting with what it may be and its default, for `--help`.
    pub fn settings() -> Vec<Setting> {
        Environment::settings_of(Self::read)
    }

    fn read(env: &mut Environment) -> Option<Self> {
        // Everything is read before the first `?`, so that every problem is told at once.
        let telemetry = TelemetryConfig::read(env);
        let api = ApiConfig::read(env);
        let database = DatabaseConfig::read(env);
        let redis = RedisConfig::read(env);
        let limits = LimitsConfig::read(env);
        let breakers = BreakersConfig::read(env);
        let lifecycle = LifecycleConfig::read(env);
        let periods = Periods::read(env);
        let runtime = RuntimeConfig::read(env);
        let (database, redis, runtime) = (database?, redis?, runtime?);
        refuse_early_staleness(env, lifecycle.stale_threshold, runtime.worker.heartbeat);
        refuse_early_progress_deadline(env, lifecycle.progress_deadline, &runtime.worker);
        Some(Self {
            telemetry,
            api,
            database,
            redis,
            limits,
            breakers,
            lifecycle,
            periods,
            runtime,
        })
    }
}

/// One lost heartbeat must not cost a worker its lease (`FAULTS.md`, row 15).
fn refuse_early_staleness(env: &mut Environment, stale_threshold: Duration, heartbeat: Duration) {
    if stale_threshold < heartbeat * 3 {
        let least = (heartbeat * 3).as_secs_f64();
        env.refuse(
            "STALE_THRESHOLD",
            &format!("expected at least three times HEARTBEAT_INTERVAL_SECONDS, which is {least} seconds"),
        );
    }
}

/// Running tests report progress periodically. Unless the deadline allows for one lost report, a worker whose tests run
/// longer than the deadline would be terminated as stuck.
fn refuse_early_progress_deadline(
    env: &mut Environment,
    progress_deadline: Duration,
    worker: &runtime::WorkerSettings,
) {
    let two_reports = worker.heartbeat * HEARTBEATS_PER_TEST_PROGRESS * 2;
    if progress_deadline < two_reports && progress_deadline < worker.test_timeout {
        env.refuse(
            "PROGRESS_DEADLINE_SECONDS",
            &format!(
                "expected at least TEST_TIMEOUT_SECONDS, which is {}, or {} times HEARTBEAT_INTERVAL_SECONDS, which \
                 is {}: running tests report progress every {HEARTBEATS_PER_TEST_PROGRESS} heartbeats",
                worker.test_timeout.as_secs_f64(),
                HEARTBEATS_PER_TEST_PROGRESS * 2,
                two_reports.as_secs_f64(),
            ),
        );
    }
}

/// The longest duration that any setting takes.
pub(crate) const DAY: Duration = Duration::from_hours(24);
