//! Limits, circuit breakers, leases, retries and intervals.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use whim_core::retry::RetrySchedule;
use whim_service::environment::{Environment, seconds, whole_number};

use super::values::{ByRepository, DAY, SHORTEST, hours, limits_by_repository, retry_delays};

/// How many workers run at the same time, and how many iterations they use in a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// `MAX_WORKERS`, over all orchestrators of a database.
    pub max_workers: u32,
    /// `MAX_WORKERS_PER_REPO` and `MAX_WORKERS_REPO_OVERRIDES`.
    pub repositories: PerRepository,
    /// `DAILY_BUDGET`: iterations per UTC day.
    pub daily_budget: u32,
    /// `DAILY_BUDGET_PER_REPO` and `DAILY_BUDGET_REPO_OVERRIDES`.
    pub repository_budgets: PerRepository,
    /// `DAILY_BUDGET_PER_USER`: iterations per UTC day for the items of one user.
    pub user_budget: Option<u32>,
    /// `COOLDOWN_SECONDS`: minimum time between two starts.
    pub cooldown: Duration,
    /// `MAX_ITERATIONS`, per attempt.
    pub max_iterations: NonZeroU32,
}

impl LimitsConfig {
    /// Whether repositories or users have budgets of their own.
    pub fn has_shares(&self) -> bool {
        !self.repository_budgets.is_empty() || self.user_budget.is_some()
    }

    pub(super) fn read(env: &mut Environment) -> Self {
        // The upper bound is that of the column.
        let max_iterations = NonZeroU32::MIN.saturating_add(i32::MAX.unsigned_abs() - 1);
        Self {
            max_workers: env.or_default("MAX_WORKERS", 2, whole_number(0..=MAX_MAX_WORKERS)),
            repositories: PerRepository::read(
                env,
                ["MAX_WORKERS_PER_REPO", "MAX_WORKERS_REPO_OVERRIDES"],
                MAX_MAX_WORKERS,
            ),
            daily_budget: env.or_default("DAILY_BUDGET", 200, whole_number(0..=MAX_DAILY_BUDGET)),
            repository_budgets: PerRepository::read(
                env,
                ["DAILY_BUDGET_PER_REPO", "DAILY_BUDGET_REPO_OVERRIDES"],
                MAX_DAILY_BUDGET,
            ),
            user_budget: env.optional("DAILY_BUDGET_PER_USER", whole_number(1..=MAX_DAILY_BUDGET)),
            cooldown: env.or_default(
                "COOLDOWN_SECONDS",
                Duration::from_mins(1),
                seconds(Duration::ZERO..=DAY),
            ),
            max_iterations: env.or_default(
                "MAX_ITERATIONS",
                NonZeroU32::MIN.saturating_add(49),
                whole_number(NonZeroU32::MIN..=max_iterations),
            ),
        }
    }
}

/// A limit of single repositories. Without one, only the limit over all repositories holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerRepository {
    /// The limit of repositories that are not in `by_name`.
    pub each: Option<u32>,
    /// By repository in lower case; 0 disables the repository.
    pub by_name: BTreeMap<String, u32>,
}

impl PerRepository {
    fn read(env: &mut Environment, [each, by_name]: [&'static str; 2], max: u32) -> Self {
        let each = env.optional(each, whole_number(1..=max));
        let ByRepository(by_name) =
            env.or_default(by_name, ByRepository::default(), limits_by_repository(max));
        Self { each, by_name }
    }

    pub fn is_empty(&self) -> bool {
        let Self { each, by_name } = self;
        each.is_none() && by_name.is_empty()
    }

    /// The limit of a repository; `repo` is in lower case.
    pub fn of(&self, repo: &str) -> Option<u32> {
        self.by_name.get(repo).copied().or(self.each)
    }
}

/// When circuit breakers open and when they are probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakersConfig {
    /// `BREAKER_THRESHOLD`: consecutive failures before a breaker opens.
    pub threshold: u32,
    /// `BREAKER_PROBE_DELAY_SECONDS`: initial delay before a probe; doubles after each failed one.
    pub probe_delay: Duration,
    /// `BREAKER_MAX_PROBE_DELAY_SECONDS`: also the delay after refused credentials.
    pub max_probe_delay: Duration,
    /// `RATE_LIMIT_MAX_WAIT_HOURS`: longest reset time that is honoured.
    pub max_wait: Duration,
    /// `RATE_LIMIT_JITTER_SECONDS`: maximum random delay after a reset time; also the time over which deferred items
    /// come back.
    pub jitter: Duration,
}

impl BreakersConfig {
    pub(super) fn read(env: &mut Environment) -> Self {
        let probe = || seconds(SHORTEST..=DAY);
        let config = Self {
            threshold: env.or_default("BREAKER_THRESHOLD", 5, whole_number(2..=1000)),
            probe_delay: env.or_default("BREAKER_PROBE_DELAY_SECONDS", Duration::from_secs(30), probe()),
            max_probe_delay: env.or_default(
                "BREAKER_MAX_PROBE_DELAY_SECONDS",
                Duration::from_mins(30),
                probe(),
            ),
            max_wait: env.or_default("RATE_LIMIT_MAX_WAIT_HOURS", 7 * DAY, hours()),
            jitter: env.or_default(
                "RATE_LIMIT_JITTER_SECONDS",
                Duration::from_mins(1),
                seconds(Duration::ZERO..=DAY),
            ),
        };
        if config.probe_delay > config.max_probe_delay {
            let max = config.max_probe_delay.as_secs_f64();
            env.refuse(
                "BREAKER_PROBE_DELAY_SECONDS",
                &format!("expected at most BREAKER_MAX_PROBE_DELAY_SECONDS, which is {max} seconds"),
            );
        }
        config
    }
}

/// When a worker counts as lost or stuck, when its item is retried, and how long its data is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleConfig {
    /// `STALE_THRESHOLD`: duration of a lease after each heartbeat.
    pub stale_threshold: Duration,
    /// `REGISTER_TIMEOUT_SECONDS`: from the claim to the registration.
    pub register_timeout: Duration,
    /// `PROGRESS_DEADLINE_SECONDS`: maximum time without progress.
    pub progress_deadline: Duration,
    /// `RETRY_DELAYS`.
    pub retries: RetrySchedule,
    /// `LOG_RETENTION_HOURS`: of logs and directories of ended attempts.
    pub log_retention: Duration,
    /// `EVENT_RETENTION_DAYS`: UTC days besides today.
    pub event_retention_days: u32,
}

impl LifecycleConfig {
    pub(super) fn read(env: &mut Environment) -> Self {
        let deadline = || seconds(SHORTEST..=DAY);
        Self {
            stale_threshold: env.or_default("STALE_THRESHOLD", Duration::from_mins(5), deadline()),
            register_timeout: env.or_default("REGISTER_TIMEOUT_SECONDS", Duration::from_mins(2), deadline()),
            progress_deadline: env.or_default(
                "PROGRESS_DEADLINE_SECONDS",
                Duration::from_hours(1),
                deadline(),
            ),
            retries: RetrySchedule::new(env.or_default(
                "RETRY_DELAYS",
                [60, 300, 1800].map(Duration::from_secs).to_vec(),
                retry_delays(),
            )),
            log_retention: env.or_default("LOG_RETENTION_HOURS", Duration::from_hours(72), hours()),
            event_retention_days: env.or_default("EVENT_RETENTION_DAYS", 14, whole_number(1..=3650)),
        }
    }
}

/// Polling intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    /// `DISPATCH_INTERVAL_SECONDS`: queue, due retries, leases and workers to terminate.
    pub dispatch: Duration,
    /// `RECONCILE_INTERVAL_SECONDS`: garbage of the runtime, the budget's copy in Redis, old logs and the like.
    pub reconcile: Duration,
}

impl Periods {
    pub(super) fn read(env: &mut Environment) -> Self {
        let period = || seconds(SHORTEST..=Duration::from_hours(1));
        Self {
            dispatch: env.or_default("DISPATCH_INTERVAL_SECONDS", Duration::from_secs(5), period()),
            reconcile: env.or_default("RECONCILE_INTERVAL_SECONDS", Duration::from_mins(1), period()),
        }
    }
}

const MAX_MAX_WORKERS: u32 = 1000;
const MAX_DAILY_BUDGET: u32 = 1_000_000;
