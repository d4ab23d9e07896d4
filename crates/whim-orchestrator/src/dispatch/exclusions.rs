//! Whose items a claim leaves out: repositories that crash their workers or have as many as they may, and repositories
//! and people whose budget of the day is used up. Exact under the lock of the claims.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use whim_core::protocol::work::WorkItem;
use whim_core::{RepoName, UserName};

use super::BlockedReason;
use super::breakers::Breakers;
use crate::app::App;
use crate::config::LimitsConfig;
use crate::db::budget::{self, Share};
use crate::db::dispatch::busy_repositories;
use crate::db::work_items::Candidate;

/// Whose items are left out, and what is left for the others.
#[derive(Debug)]
pub(super) struct Exclusions {
    /// In lower case.
    pub(super) repositories: Vec<String>,
    /// In lower case.
    pub(super) users: Vec<String>,
    budgets: Budgets,
}

impl Exclusions {
    /// As it is now; where nothing is limited, nothing is asked.
    pub(super) async fn look(app: &App, db: &mut PgConnection, open: &Breakers) -> sqlx::Result<Self> {
        let limits = &app.config.limits;
        let mut repositories: BTreeSet<String> = open.repositories().collect();
        let caps = &limits.repositories;
        if !caps.is_empty() {
            repositories.extend(caps.closed());
            let busy = busy_repositories(&mut *db).await?.into_iter();
            let full = busy.filter(|busy| caps.of(&busy.repo).is_some_and(|cap| busy.workers >= cap));
            repositories.extend(full.map(|busy| busy.repo));
        }
        let budgets = Budgets::look(limits, db).await?;
        repositories.extend(limits.repository_budgets.closed());
        repositories.extend(budgets.used_up_repositories(limits).map(str::to_owned));
        let users = budgets.used_up_users(limits).map(str::to_owned).collect();
        Ok(Self {
            repositories: repositories.into_iter().collect(),
            users,
            budgets,
        })
    }

    /// Whether nobody's items are left out.
    pub(super) fn is_empty(&self) -> bool {
        self.repositories.is_empty() && self.users.is_empty()
    }

    /// What a worker on this item may use of the budgets of its repository and of who asked for it; more than 0 for
    /// items that are not left out.
    pub(super) fn left_for(&self, app: &App, item: &Candidate) -> u32 {
        let limits = &app.config.limits;
        let of_repository = self
            .budgets
            .left_of_repository(limits, &lower(item.repo.as_str()));
        let user = item.requested_by.as_ref();
        let of_user = user.and_then(|user| self.budgets.left_of_user(limits, &lower(user.as_str())));
        of_repository.unwrap_or(u32::MAX).min(of_user.unwrap_or(u32::MAX))
    }
}

/// What the day has taken of the budgets of repositories and people.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    by_repository: BTreeMap<String, u32>,
    by_user: BTreeMap<String, u32>,
}

impl Budgets {
    pub(super) async fn look(limits: &LimitsConfig, db: &mut PgConnection) -> sqlx::Result<Self> {
        if limits.has_shares() {
            Ok(Self::of(budget::shares(db).await?))
        } else {
            Ok(Self::default())
        }
    }

    fn of(shares: Vec<Share>) -> Self {
        let mut budgets = Self::default();
        for Share {
            repo,
            requested_by,
            iterations,
        } in shares
        {
            let add = |sums: &mut BTreeMap<String, u32>, name| {
                let sum = sums.entry(name).or_insert(0);
                *sum = sum.saturating_add(iterations);
            };
            add(&mut budgets.by_repository, repo);
            if let Some(user) = requested_by {
                add(&mut budgets.by_user, user);
            }
        }
        budgets
    }

    fn left_of_repository(&self, limits: &LimitsConfig, repo: &str) -> Option<u32> {
        let taken = self.by_repository.get(repo).copied().unwrap_or(0);
        Some(limits.repository_budgets.of(repo)?.saturating_sub(taken))
    }

    fn left_of_user(&self, limits: &LimitsConfig, user: &str) -> Option<u32> {
        let taken = self.by_user.get(user).copied().unwrap_or(0);
        Some(limits.user_budget?.saturating_sub(taken))
    }

    fn used_up_repositories(&self, limits: &LimitsConfig) -> impl Iterator<Item = &str> {
        let used_up = |repo: &&str| self.left_of_repository(limits, repo) == Some(0);
        self.by_repository.keys().map(String::as_str).filter(used_up)
    }

    fn used_up_users(&self, limits: &LimitsConfig) -> impl Iterator<Item = &str> {
        let used_up = |user: &&str| self.left_of_user(limits, user) == Some(0);
        self.by_user.keys().map(String::as_str).filter(used_up)
    }

    /// Each budget that is used up, for people.
    pub(super) fn refusals(&self, limits: &LimitsConfig, resets_at: DateTime<Utc>) -> Vec<BlockedReason> {
        let repositories = self
            .used_up_repositories(limits)
            .filter_map(|repo| RepoName::parse(repo).ok())
            .filter_map(|repo| repository_budget_refusal(limits, &repo, resets_at));
        let users = self
            .used_up_users(limits)
            .filter_map(|user| UserName::parse(user).ok())
            .filter_map(|user| user_budget_refusal(limits, &user, resets_at));
        repositories.chain(users).collect()
    }
}

/// Why an item is left out, though others may be started.
///
/// # Errors
/// Postgres is away.
pub async fn refusal_of_item(app: &App, item: &WorkItem) -> sqlx::Result<Option<BlockedReason>> {
    let limits = &app.config.limits;
    let mut connection = app.database.acquire().await?;
    let db = &mut *connection;
    if let Some(refusal) = Breakers::read(&mut *db).await?.refusal_of(&item.repo) {
        return Ok(Some(refusal));
    }
    let repo = lower(item.repo.as_str());
    if let Some(max) = limits.repositories.of(&repo) {
        let busy = busy_repositories(&mut *db).await?;
        let active = busy
            .iter()
            .find(|busy| busy.repo == repo)
            .map_or(0, |busy| busy.workers);
        if active >= max {
            let repo = item.repo.clone();
            return Ok(Some(BlockedReason::NoRepositorySlot { repo, max }));
        }
    }
    let budgets = Budgets::look(limits, &mut *db).await?;
    let of_repository = budgets.left_of_repository(limits, &repo) == Some(0);
    let user = item.requested_by.as_ref();
    let user = user.filter(|user| budgets.left_of_user(limits, &lower(user.as_str())) == Some(0));
    if !of_repository && user.is_none() {
        return Ok(None);
    }
    let resets_at = budget::today(&mut *db).await?.resets_at;
    Ok(if of_repository {
        repository_budget_refusal(limits, &item.repo, resets_at)
    } else {
        user.and_then(|user| user_budget_refusal(limits, user, resets_at))
    })
}

fn repository_budget_refusal(
    limits: &LimitsConfig,
    repo: &RepoName,
    resets_at: DateTime<Utc>,
) -> Option<BlockedReason> {
    let limit = limits.repository_budgets.of(&lower(repo.as_str()))?;
    Some(BlockedReason::RepositoryBudgetUsedUp {
        repo: repo.clone(),
        limit,
        resets_at,
    })
}

fn user_budget_refusal(
    limits: &LimitsConfig,
    user: &UserName,
    resets_at: DateTime<Utc>,
) -> Option<BlockedReason> {
    Some(BlockedReason::UserBudgetUsedUp {
        user: user.clone(),
        limit: limits.user_budget?,
        resets_at,
    })
}

fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}
