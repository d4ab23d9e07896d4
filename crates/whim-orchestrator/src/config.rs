//! The settings: a pure function of the environment, one struct per concern.

mod access;
pub mod api;
mod breakers;
mod intervals;
mod learnings;
mod lifecycle;
pub mod limits;
mod retention;
pub mod storage;
mod values;
pub mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use whim_core::BranchPrefix;
use whim_core::protocol::worker::HEARTBEATS_PER_TEST_PROGRESS;
use whim_runtime::RuntimeConfig;
use whim_service::environment::{ConfigError, Configured, Environment, Expected, Setting, parsed, path};
use whim_service::telemetry::TelemetryConfig;

pub use self::access::{DirectAccess, GatewayAccess, ModelCredential, WorkerAccess};
pub use self::api::ApiConfig;
pub use self::breakers::BreakersConfig;
pub use self::intervals::Intervals;
pub use self::learnings::{EmbeddingConfig, LearningsConfig};
pub use self::lifecycle::LifecycleConfig;
pub use self::limits::{LimitsConfig, PerRepository};
pub use self::retention::RetentionConfig;
pub use self::storage::{DatabaseConfig, RedisConfig};
pub use self::worker::WorkerSettings;

#[derive(Clone, Debug)]
pub struct Config {
    pub telemetry: TelemetryConfig,
    pub api: ApiConfig,
    pub database: DatabaseConfig,
    pub redis: RedisConfig,
    pub limits: LimitsConfig,
    pub breakers: BreakersConfig,
    pub lifecycle: LifecycleConfig,
    pub retention: RetentionConfig,
    pub intervals: Intervals,
    pub learnings: LearningsConfig,
    /// How workers are started.
    pub runtime: RuntimeConfig,
    /// `BRANCH_PREFIX`: of the branches of items that name no branch.
    pub branch_prefix: BranchPrefix,
    /// `PRICES_FILE`: prices of models, on top of those of this release.
    pub prices_file: Option<PathBuf>,
    /// Settings that are passed to workers.
    pub worker: WorkerSettings,
}

impl Config {
    /// Reads all settings and checks them against each other.
    ///
    /// # Errors
    /// All problems, one per line.
    pub fn from_environment(environment: Environment) -> Result<Configured<Self>, ConfigError> {
        environment.build(Self::read)
    }

    /// Every setting with its allowed values and its default, for `--help`.
    pub fn settings() -> Vec<Setting> {
        Environment::settings_of(Self::read)
    }

    fn read(env: &mut Environment) -> Option<Self> {
        // Everything is read before the first `?`, so that every problem is reported at once.
        let telemetry = TelemetryConfig::read(env);
        let api = ApiConfig::read(env);
        let database = DatabaseConfig::read(env);
        let redis = RedisConfig::read(env);
        let limits = LimitsConfig::read(env);
        let breakers = BreakersConfig::read(env);
        let lifecycle = LifecycleConfig::read(env);
        let retention = RetentionConfig::read(env);
        let intervals = Intervals::read(env);
        let learnings = LearningsConfig::read(env);
        let runtime = RuntimeConfig::read(env);
        let branch_prefix = env.or_default("BRANCH_PREFIX", BranchPrefix::default(), branch_prefix());
        let prices_file = env.optional("PRICES_FILE", path("a file with prices of models"));
        let worker = WorkerSettings::read(env);
        let (database, redis, worker) = (database?, redis?, worker?);
        let runtime = RuntimeConfig {
            agent_program: worker.agent_program(),
            ..runtime
        };
        refuse_early_staleness(env, lifecycle.stale_threshold, worker.heartbeat);
        refuse_early_progress_deadline(env, lifecycle.progress_deadline, &worker);
        Some(Self {
            telemetry,
            api,
            database,
            redis,
            limits,
            breakers,
            lifecycle,
            retention,
            intervals,
            learnings,
            runtime,
            branch_prefix,
            prices_file,
            worker,
        })
    }
}

fn branch_prefix() -> Expected<BranchPrefix> {
    parsed("the beginning of a git branch name, such as whim/ or bot-")
}

/// The settings of `migrate`.
///
/// # Errors
/// Everything that is wrong, one line each.
pub fn read_for_migrations(
    environment: Environment,
) -> Result<Configured<(TelemetryConfig, DatabaseConfig)>, ConfigError> {
    environment.build(|env| Some((TelemetryConfig::read(env), DatabaseConfig::read(env)?)))
}

/// The address of the API, for `healthcheck`.
///
/// # Errors
/// `BIND_ADDRESS` or `PORT` is wrong.
pub fn healthcheck_address(environment: Environment) -> Result<Configured<SocketAddr>, ConfigError> {
    environment.build(|env| Some(api::read_address(env)))
}

/// One lost heartbeat must not cost a worker its lease (docs/faults.md, row 15).
fn refuse_early_staleness(env: &mut Environment, stale_threshold: Duration, heartbeat: Duration) {
    if stale_threshold < heartbeat * 3 {
        let min = (heartbeat * 3).as_secs_f64();
        env.refuse(
            "STALE_THRESHOLD",
            &format!("expected at least three times HEARTBEAT_INTERVAL_SECONDS, which is {min} seconds"),
        );
    }
}

/// Running tests report progress periodically. Unless the deadline allows for one lost report, a worker whose tests run
/// longer than the deadline would be terminated as stuck.
fn refuse_early_progress_deadline(
    env: &mut Environment,
    progress_deadline: Duration,
    worker: &WorkerSettings,
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
