//! How much is done, and when something that does not move is given up.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use whim_core::RepoName;
use whim_core::retry::RetrySchedule;
use whim_service::environment::{Environment, Expected, seconds, whole_number};

use super::DAY;

/// The shortest period or deadline; tests run at a twentieth of real time.
const SHORTEST: Duration = Duration::from_millis(10);

/// How much is done at once and in a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// `MAX_WORKERS`: how many workers live at once, over all orchestrators of a database.
    pub max_workers: u32,
    /// How many of those may work on one repository.
    pub repositories: PerRepository,
    /// `DAILY_BUDGET`: how many iterations are used in a UTC day.
    pub daily_budget: u32,
    /// How many of those one repository may use.
    pub repository_budgets: PerRepository,
    /// `DAILY_BUDGET_PER_USER`: how many of those may be used for what one person asked for; unset, as many as there
    /// are.
    pub user_budget: Option<u32>,
    /// `COOLDOWN_SECONDS`: the shortest time between two starts.
    pub cooldown: Duration,
    /// `MAX_ITERATIONS`: how many iterations one attempt may use.
    pub max_iterations: NonZeroU32,
}

impl LimitsConfig {
    /// Whether repositories or people have budgets of their own.
    pub fn has_shares(&self) -> bool {
        !self.repository_budgets.is_empty() || self.user_budget.is_some()
    }

    pub(super) fn read(env: &mut Environment) -> Self {
        // The upper bound is that of the column.
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

/// A limit of single repositories: of their workers at once (`MAX_WORKERS_PER_REPO`, `MAX_WORKERS_REPO_OVERRIDES`) or of their
/// iterations a day (`DAILY_BUDGET_PER_REPO`, `DAILY_BUDGET_REPO_OVERRIDES`). Without one, only that of all repositories holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerRepository {
    /// For each that has no limit of its own.
    pub each: Option<u32>,
    /// By the repository in lower case; 0 starts nothing there.
    pub by_name: BTreeMap<String, u32>,
}

impl PerRepository {
    fn read(env: &mut Environment, [each, by_name]: [&'static str; 2], most: u32) -> Self {
        Self {
            each: env.optional(each, whole_number(1..=most)),
            by_name: env.or_default(by_name, ByName::default(), limits_by_name(most)).0,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        let Self { each, by_name } = self;
        each.is_none() && by_name.is_empty()
    }

    /// The repositories where nothing is started, in lower case.
    pub fn closed(&self) -> impl Iterator<Item = String> + '_ {
        let closed = self.by_name.iter().filter(|(_, limit)| **limit == 0);
        closed.map(|(repo, _)| repo.clone())
    }

    /// The limit of a repository, given in lower case.
    pub fn of(&self, repo: &str) -> Option<u32> {
        self.by_name.get(repo).copied().or(self.each)
    }
}

/// When what fails is spared, and when it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakersConfig {
    /// `BREAKER_THRESHOLD`: failures in a row, where a single one proves nothing.
    pub threshold: u32,
    /// `BREAKER_PROBE_DELAY_SECONDS`: about when it is first tried again; twice as long after each failure.
    pub first_probe: Duration,
    /// `BREAKER_MAX_PROBE_DELAY_SECONDS`: how long that becomes at the most, and how often refused credentials are tried.
    pub longest_probe: Duration,
    /// `RATE_LIMIT_MAX_WAIT_HOURS`: how long is waited at the most for the end of a limit that is told.
    pub longest_park: Duration,
    /// `RATE_LIMIT_JITTER_SECONDS`: how long after such an end work goes on at the latest.
    pub park_jitter: Duration,
}

impl BreakersConfig {
    pub(super) fn read(env: &mut Environment) -> Self {
        let probe = || seconds(SHORTEST..=DAY);
        Self {
            threshold: env.or_default("BREAKER_THRESHOLD", 5, whole_number(2..=1000)),
            first_probe: env.or_default("BREAKER_PROBE_DELAY_SECONDS", Duration::from_secs(30), probe()),
            longest_probe: env.or_default(
                "BREAKER_MAX_PROBE_DELAY_SECONDS",
                Duration::from_mins(30),
                probe(),
            ),
            longest_park: env.or_default("RATE_LIMIT_MAX_WAIT_HOURS", 7 * DAY, hours()),
            park_jitter: env.or_default(
                "RATE_LIMIT_JITTER_SECONDS",
                Duration::from_mins(1),
                seconds(Duration::ZERO..=DAY),
            ),
        }
    }
}

/// When a worker counts as dead or stuck, and what follows for its item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleConfig {
    /// `STALE_THRESHOLD`: how long a lease lasts after each heartbeat.
    pub stale_threshold: Duration,
    /// `REGISTER_TIMEOUT_SECONDS`: how long a worker may take from its claim to its registration.
    pub register_timeout: Duration,
    /// `PROGRESS_DEADLINE_SECONDS`: how long a worker may live without telling of anything new that it did.
    pub progress_deadline: Duration,
    /// `RETRY_DELAYS`.
    pub retries: RetrySchedule,
    /// `LOG_RETENTION_HOURS`: how long logs and directories of attempts that ended are kept.
    pub log_retention: Duration,
    /// `EVENT_RETENTION_DAYS`: how many days of events are kept besides today (UTC).
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

/// How often is looked without being told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    /// `DISPATCH_INTERVAL_SECONDS`: the queue, due retries, leases and workers that are to be stopped.
    pub dispatch: Duration,
    /// `RECONCILE_INTERVAL_SECONDS`: everything that can wait: leftovers of the runtime, the copy of the budget, old logs.
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
