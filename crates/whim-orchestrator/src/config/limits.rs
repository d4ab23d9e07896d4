//! Settings of limits, breakers, deadlines and intervals.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use whim_core::RepoName;
use whim_core::retry::RetrySchedule;
use whim_service::environment::{Environment, Expected, seconds, whole_number};

use super::DAY;

/// The shortest interval or deadline.
const SHORTEST: Duration = Duration::from_millis(10);

/// Limits of concurrent workers and of the day's iterations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// `MAX_WORKERS`: concurrent workers of all orchestrators of a database.
    pub max_workers: u32,
    /// Concurrent workers of one repository.
    pub repositories: PerRepository,
    /// `DAILY_BUDGET`: iterations of a UTC day.
    pub daily_budget: u32,
    /// Iterations of a UTC day for one repository.
    pub repository_budgets: PerRepository,
    /// `DAILY_BUDGET_PER_USER`: iterations of a UTC day for requests by one user.
    pub user_budget: Option<u32>,
    /// `COOLDOWN_SECONDS`: shortest time between two starts.
    pub cooldown: Duration,
    /// `MAX_ITERATIONS`: iterations of one attempt.
    pub max_iterations: NonZeroU32,
}

impl LimitsConfig {
    /// Whether repositories or users have budgets of their own.
    pub fn has_shares(&self) -> bool {
        !self.repository_budgets.is_empty() || self.user_budget.is_some()
    }

    pub(super) fn read(env: &mut Environment) -> Self {
        // The limit of the column.
        let most_iterations = NonZeroU32::MIN.saturating_add(i32::MAX.unsigned_abs() - 1);
        Self {
            max_workers: env.or_default("MAX_WORKERS", 2, whole_number(0..=MOST_WORKERS)),
            repositories: PerRepository::read(
                env,
                ["MAX_WORKERS_PER_REPO", "MAX_WORKERS_REPO_OVERRIDES"],
                MOST_WORKERS,
            ),
            daily_budget: env.or_default("DAILY_BUDGET", 200, whole_number(0..=MOST_ITERATIONS_A_DAY)),
            repository_budgets: PerRepository::read(
                env,
                ["DAILY_BUDGET_PER_REPO", "DAILY_BUDGET_REPO_OVERRIDES"],
                MOST_ITERATIONS_A_DAY,
            ),
            user_budget: env.optional("DAILY_BUDGET_PER_USER", whole_number(1..=MOST_ITERATIONS_A_DAY)),
            cooldown: env.or_default(
                "COOLDOWN_SECONDS",
                Duration::from_mins(1),
                seconds(Duration::ZERO..=DAY),
            ),
            max_iterations: env.or_default(
                "MAX_ITERATIONS",
                NonZeroU32::MIN.saturating_add(49),
                whole_number(NonZeroU32::MIN..=most_iterations),
            ),
        }
    }
}

/// A limit of single repositories: of concurrent workers (`MAX_WORKERS_PER_REPO`, `MAX_WORKERS_REPO_OVERRIDES`) or of
/// iterations a day (`DAILY_BUDGET_PER_REPO`, `DAILY_BUDGET_REPO_OVERRIDES`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerRepository {
    /// For repositories without an override.
    pub each: Option<u32>,
    /// Overrides by repository in lower case; 0 disables it.
    pub by_name: BTreeMap<String, u32>,
}

impl PerRepository {
    fn read(env: &mut Environment, [each, by_name]: [&'static str; 2], most: u32) -> Self {
        Self {
            each: env.optional(each, whole_number(1..=most)),
            by_name: env.or_default(by_name, ByName::default(), limits_by_name(most)).0,
        }
    }

    pub fn is_empty(&self) -> bool {
        let Self { each, by_name } = self;
        each.is_none() && by_name.is_empty()
    }

    /// The limit of a repository, given in lower case.
    pub fn of(&self, repo: &str) -> Option<u32> {
        self.by_name.get(repo).copied().or(self.each)
    }
}

/// When circuit breakers open, and when they are probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakersConfig {
    /// `BREAKER_THRESHOLD`: consecutive failures before a breaker opens.
    pub threshold: u32,
    /// `BREAKER_PROBE_DELAY_SECONDS`: initial delay before a probe. Doubles after each failed probe.
    pub probe_delay: Duration,
    /// `BREAKER_MAX_PROBE_DELAY_SECONDS`: longest delay before a probe, and the delay for rejected credentials.
    pub max_probe_delay: Duration,
    /// `RATE_LIMIT_MAX_WAIT_HOURS`: longest reset time of a rate limit that is honoured.
    pub max_wait: Duration,
    /// `RATE_LIMIT_JITTER_SECONDS`: work resumes within this time after a reset, and deferred items come back within it.
    pub jitter: Duration,
}

impl BreakersConfig {
    pub(super) fn read(env: &mut Environment) -> Self {
        let probe = || seconds(SHORTEST..=DAY);
        Self {
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
        }
    }
}

/// When a worker counts as lost or stuck, and what follows for its item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleConfig {
    /// `STALE_THRESHOLD`: length of a lease, from each heartbeat.
    pub stale_threshold: Duration,
    /// `REGISTER_TIMEOUT_SECONDS`: from the claim to the registration of a worker.
    pub register_timeout: Duration,
    /// `PROGRESS_DEADLINE_SECONDS`: longest time without progress of a worker.
    pub progress_deadline: Duration,
    /// `RETRY_DELAYS`.
    pub retries: RetrySchedule,
    /// `LOG_RETENTION_HOURS`: for logs and directories of ended attempts.
    pub log_retention: Duration,
    /// `EVENT_RETENTION_DAYS`: days of events that are kept besides today (UTC).
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

/// Polling intervals, in case notifications are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    /// `DISPATCH_INTERVAL_SECONDS`: for the queue, due retries, leases and workers to be stopped.
    pub dispatch: Duration,
    /// `RECONCILE_INTERVAL_SECONDS`: for everything less urgent: garbage of the runtime, the copy of the budget, old logs.
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

const MOST_WORKERS: u32 = 1000;
const MOST_ITERATIONS_A_DAY: u32 = 1_000_000;

#[derive(Clone, Debug, Default, PartialEq)]
struct ByName(BTreeMap<String, u32>);

fn limits_by_name(most: u32) -> Expected<ByName> {
    Expected::new(
        format!("a list such as owner/repo=1,owner/other=3, each 0 to {most}"),
        move |raw| {
            raw.split(',')
                .map(|pair| {
                    let (repo, limit) = pair.split_once('=')?;
                    let repo = RepoName::parse(repo.trim()).ok()?;
                    let limit = limit.trim().parse().ok().filter(|limit| *limit <= most)?;
                    Some((repo.as_str().to_ascii_lowercase(), limit))
                })
                .collect::<Option<_>>()
                .map(ByName)
        },
        |ByName(limits)| {
            let pairs: Vec<String> = limits
                .iter()
                .map(|(repo, limit)| format!("{repo}={limit}"))
                .collect();
            pairs.join(",")
        },
    )
}

const MOST_RETRIES: usize = 20;

fn retry_delays() -> Expected<Vec<Duration>> {
    Expected::new(
        format!("up to {MOST_RETRIES} numbers of seconds separated by commas, such as 60,300,1800, or none"),
        |raw| {
            if raw == "none" {
                return Some(Vec::new());
            }
            let delays: Option<Vec<Duration>> = raw
                .split(',')
                .map(|item| Duration::try_from_secs_f64(item.trim().parse().ok()?).ok())
                .map(|delay| delay.filter(|delay| *delay <= DAY))
                .collect();
            delays.filter(|delays| delays.len() <= MOST_RETRIES)
        },
        |delays| {
            let shown: Vec<String> = delays
                .iter()
                .map(|delay| delay.as_secs_f64().to_string())
                .collect();
            if shown.is_empty() {
                "none".to_owned()
            } else {
                shown.join(",")
            }
        },
    )
}

fn hours() -> Expected<Duration> {
    const MOST: f64 = 24.0 * 365.0;
    Expected::new(
        format!("a number of hours from 0 to {MOST}"),
        |raw| {
            let hours: f64 = raw.parse().ok()?;
            (0.0..=MOST)
                .contains(&hours)
                .then(|| Duration::from_secs_f64(hours * 3600.0))
        },
        |duration| (duration.as_secs_f64() / 3600.0).to_string(),
    )
}
