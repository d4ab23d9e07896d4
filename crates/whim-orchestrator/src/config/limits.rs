//! Slots, budgets and cooldown.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use whim_service::environment::{Environment, seconds, whole_number};

use super::values::{ByRepository, DAY, limits_by_repository};

const MAX_MAX_WORKERS: u32 = 1000;
const MAX_DAILY_BUDGET: u32 = 1_000_000;

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
