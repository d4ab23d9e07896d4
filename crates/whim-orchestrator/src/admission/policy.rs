//! The decision, as a pure function of a snapshot.

use std::collections::BTreeSet;

use whim_core::{RepoName, UserName, WorkItemId};

use super::blocked_reason::BlockedReason;
use super::snapshot::{Cooldown, Snapshot};
use crate::db::budget::Usage;
use crate::db::work_items::Exclusions;

/// A worker may be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Iterations that remain of the day, for any item.
    pub(crate) iterations: u32,
    /// Repositories of which no item may be claimed, in lower case.
    pub(crate) excluded_repositories: Vec<String>,
    /// Users of whom no item may be claimed, in lower case.
    pub(crate) excluded_users: Vec<String>,
    /// Items to claim only if there are no others: the worker will probe a breaker, and they failed before.
    pub(crate) avoided_items: Vec<WorkItemId>,
}

impl Grant {
    pub(crate) fn exclusions(&self) -> Exclusions<'_> {
        Exclusions {
            repositories: &self.excluded_repositories,
            users: &self.excluded_users,
            avoided_items: &self.avoided_items,
        }
    }

    /// Whether it holds for every item alike, so that the first of the queue can be claimed.
    pub(crate) fn covers_every_item(&self) -> bool {
        self.excluded_repositories.is_empty()
            && self.excluded_users.is_empty()
            && self.avoided_items.is_empty()
    }
}

/// Grants a start, or gives every reason against starting anything, the most general first.
pub(crate) fn admit(snapshot: &Snapshot<'_>) -> Result<Grant, Vec<BlockedReason>> {
    let limits = snapshot.limits;
    let mut reasons: Vec<BlockedReason> = Vec::new();
    reasons.extend(snapshot.paused.clone().map(BlockedReason::Paused));
    let breakers = snapshot
        .breakers
        .blocking_all(snapshot.instance, snapshot.credential);
    reasons.extend(breakers.map(BlockedReason::of_breaker));
    if snapshot.live_workers >= limits.max_workers {
        reasons.push(BlockedReason::NoSlot {
            max: limits.max_workers,
        });
    }
    let iterations = remaining(limits.daily_budget, &snapshot.usage);
    if iterations == 0 {
        reasons.push(BlockedReason::BudgetUsedUp {
            limit: limits.daily_budget,
            resets_at: snapshot.usage.resets_at,
        });
    }
    match snapshot.cooldown {
        Cooldown::Over => {}
        Cooldown::Running { remaining } => reasons.push(BlockedReason::Cooldown { remaining }),
        Cooldown::RedisUnavailable => reasons.push(BlockedReason::RedisUnavailable),
    }
    if !reasons.is_empty() {
        return Err(reasons);
    }
    Ok(Grant {
        iterations,
        excluded_repositories: known_repositories(snapshot)
            .into_iter()
            .filter(|repository| !reasons_of_repository(snapshot, repository).is_empty())
            .map(str::to_owned)
            .collect(),
        excluded_users: exhausted_users(snapshot).map(str::to_owned).collect(),
        avoided_items: snapshot
            .breakers
            .failed_items(snapshot.instance, snapshot.credential),
    })
}

/// Every reason against starting an item of this repository and user, besides those that hold for all items.
pub(crate) fn reasons_of_item(
    snapshot: &Snapshot<'_>,
    repo: &RepoName,
    user: Option<&UserName>,
) -> Vec<BlockedReason> {
    let mut reasons = reasons_of_repository(snapshot, &repo.as_str().to_ascii_lowercase());
    let user = user.map(|user| user.as_str().to_ascii_lowercase());
    reasons.extend(user.and_then(|user| user_budget_reason(snapshot, &user)));
    reasons
}

/// Iterations that a worker may use of the budgets of its repository and user; `None` if those are not limited.
pub(crate) fn iterations_of_item(
    snapshot: &Snapshot<'_>,
    repo: &RepoName,
    user: Option<&UserName>,
) -> Option<u32> {
    let repository = remaining_of_repository(snapshot, &repo.as_str().to_ascii_lowercase());
    let user = user.and_then(|user| remaining_of_user(snapshot, &user.as_str().to_ascii_lowercase()));
    repository.into_iter().chain(user).min()
}

/// Budgets of single repositories and users that are used up.
pub(crate) fn exhausted_budgets(snapshot: &Snapshot<'_>) -> Vec<BlockedReason> {
    let repositories = snapshot.shares.by_repository.keys();
    let repositories = repositories.filter_map(|repository| repository_budget_reason(snapshot, repository));
    let users = snapshot.shares.by_user.keys();
    let users = users.filter_map(|user| user_budget_reason(snapshot, user));
    repositories.chain(users).collect()
}

/// Iterations of the day that are neither used nor reserved.
pub(crate) fn remaining(limit: u32, usage: &Usage) -> u32 {
    limit.saturating_sub(usage.used).saturating_sub(usage.reserved)
}

/// Every repository that may be excluded, in lower case.
fn known_repositories<'a>(snapshot: &'a Snapshot<'_>) -> BTreeSet<&'a str> {
    let Snapshot { limits, .. } = snapshot;
    let overrides = limits.repositories.by_name.keys();
    let overrides = overrides.chain(limits.repository_budgets.by_name.keys());
    let active = snapshot.repository_workers.keys();
    let active = active.chain(snapshot.shares.by_repository.keys());
    let names = overrides.chain(active).map(String::as_str);
    names.chain(snapshot.breakers.repositories()).collect()
}

fn reasons_of_repository(snapshot: &Snapshot<'_>, repository: &str) -> Vec<BlockedReason> {
    let limits = snapshot.limits;
    let disabled = |limit: Option<u32>, setting| {
        (limit == Some(0)).then(|| BlockedReason::RepositoryDisabled {
            repository: repository.to_owned(),
            setting,
        })
    };
    let workers = limits.repositories.of(repository);
    let mut reasons: Vec<BlockedReason> = Vec::new();
    reasons.extend(disabled(workers, "MAX_WORKERS_REPO_OVERRIDES"));
    reasons.extend(disabled(
        limits.repository_budgets.of(repository),
        "DAILY_BUDGET_REPO_OVERRIDES",
    ));
    let breaker = snapshot.breakers.blocking_repository(repository);
    reasons.extend(breaker.map(BlockedReason::of_breaker));
    let live = snapshot.repository_workers.get(repository).copied().unwrap_or(0);
    if let Some(max) = workers.filter(|max| (1..=live).contains(max)) {
        reasons.push(BlockedReason::NoRepositorySlot {
            repository: repository.to_owned(),
            max,
        });
    }
    reasons.extend(repository_budget_reason(snapshot, repository));
    reasons
}

fn repository_budget_reason(snapshot: &Snapshot<'_>, repository: &str) -> Option<BlockedReason> {
    let limit = snapshot.limits.repository_budgets.of(repository)?;
    let used_up = limit > 0 && remaining_of_repository(snapshot, repository) == Some(0);
    used_up.then(|| BlockedReason::RepositoryBudgetUsedUp {
        repository: repository.to_owned(),
        limit,
        resets_at: snapshot.usage.resets_at,
    })
}

fn user_budget_reason(snapshot: &Snapshot<'_>, user: &str) -> Option<BlockedReason> {
    let limit = snapshot.limits.user_budget?;
    let used_up = remaining_of_user(snapshot, user) == Some(0);
    used_up.then(|| BlockedReason::UserBudgetUsedUp {
        user: user.to_owned(),
        limit,
        resets_at: snapshot.usage.resets_at,
    })
}

fn exhausted_users<'a>(snapshot: &'a Snapshot<'_>) -> impl Iterator<Item = &'a str> {
    let users = snapshot.shares.by_user.keys().map(String::as_str);
    users.filter(|user| remaining_of_user(snapshot, user) == Some(0))
}

fn remaining_of_repository(snapshot: &Snapshot<'_>, repository: &str) -> Option<u32> {
    let taken = snapshot.shares.by_repository.get(repository).copied();
    let limit = snapshot.limits.repository_budgets.of(repository)?;
    Some(limit.saturating_sub(taken.unwrap_or(0)))
}

fn remaining_of_user(snapshot: &Snapshot<'_>, user: &str) -> Option<u32> {
    let taken = snapshot.shares.by_user.get(user).copied();
    Some(snapshot.limits.user_budget?.saturating_sub(taken.unwrap_or(0)))
}

#[cfg(test)]
mod tests;
