//! The configuration: a pure function of the environment, one struct a concern.

pub mod api;
pub mod limits;
pub mod storage;
pub mod worker;

use std::time::Duration;

use whim_runtime::RuntimeConfig;
use whim_service::environment::{ConfigError, Configured, Environment, Setting};
use whim_service::telemetry::TelemetryConfig;

pub use self::api::ApiConfig;
pub use self::limits::{BreakersConfig, LifecycleConfig, LimitsConfig, PerRepository, Periods};
pub use self::storage::{DatabaseConfig, RedisConfig};
pub use self::worker::{ModelCredential, WorkerSettings};

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
    /// How workers are started.
    pub runtime: RuntimeConfig,
    /// What is passed to workers.
    pub worker: WorkerSettings,
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
        let worker = WorkerSettings::read(env);
        let (database, redis, worker) = (database?, redis?, worker?);
        let runtime = RuntimeConfig {
            agent_program: worker.agent_program(),
            ..runtime
        };
        refuse_early_staleness(env, lifecycle.stale_threshold, worker.heartbeat);
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
            worker,
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

/// The longest duration that any setting takes.
pub(crate) const DAY: Duration = Duration::from_hours(24);
