//! Reasons for which no worker is started.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use whim_core::protocol::explain::{self, ReasonCode};
use whim_core::protocol::queue::Pause;
use whim_core::protocol::status::{Breaker, BreakerSubject};

use crate::breakers::describe;
use crate::db::breakers::Open;

/// Why no worker is started, at all or for some items. Displays as one or two sentences for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockedReason {
    Paused(Pause),
    BreakerOpen {
        breaker: Box<Breaker>,
        /// Time until it expires or is probed; zero while it is half-open.
        remaining: Duration,
    },
    NoSlot {
        /// `MAX_WORKERS`.
        max: u32,
    },
    BudgetUsedUp {
        /// `DAILY_BUDGET`.
        limit: u32,
        resets_at: DateTime<Utc>,
    },
    Cooldown {
        remaining: Duration,
    },
    RedisUnavailable,
    /// An override of this setting is 0.
    RepositoryDisabled {
        repository: String,
        setting: &'static str,
    },
    NoRepositorySlot {
        repository: String,
        max: u32,
    },
    RepositoryBudgetUsedUp {
        repository: String,
        limit: u32,
        resets_at: DateTime<Utc>,
    },
    UserBudgetUsedUp {
        user: String,
        /// `DAILY_BUDGET_PER_USER`.
        limit: u32,
        resets_at: DateTime<Utc>,
    },
}

impl BlockedReason {
    pub(crate) fn of_breaker(open: &Open) -> Self {
        Self::BreakerOpen {
            breaker: Box::new(describe(open)),
            remaining: open.remaining,
        }
    }

    /// Time after which it may have ended; `None` if an event ends it, such as the end of a worker.
    pub(crate) fn expires_in(&self) -> Option<Duration> {
        match self {
            Self::Cooldown { remaining } | Self::BreakerOpen { remaining, .. } => {
                Some(*remaining).filter(|remaining| !remaining.is_zero())
            }
            // The dispatcher is woken when the queue is resumed or a worker ends, and polls for the rest.
            Self::Paused(_)
            | Self::NoSlot { .. }
            | Self::BudgetUsedUp { .. }
            | Self::RedisUnavailable
            | Self::RepositoryDisabled { .. }
            | Self::NoRepositorySlot { .. }
            | Self::RepositoryBudgetUsedUp { .. }
            | Self::UserBudgetUsedUp { .. } => None,
        }
    }

    fn code(&self) -> ReasonCode {
        match self {
            Self::Paused(_) => ReasonCode::Paused,
            Self::BreakerOpen { breaker, .. } => match breaker.subject {
                BreakerSubject::Model => ReasonCode::ModelUnavailable,
                BreakerSubject::GitHub => ReasonCode::GitHubUnavailable,
                BreakerSubject::Runtime => ReasonCode::RuntimeUnavailable,
                BreakerSubject::Repository => ReasonCode::RepositoryFailing,
            },
            Self::NoSlot { .. } => ReasonCode::NoSlot,
            Self::BudgetUsedUp { .. }
            | Self::RepositoryBudgetUsedUp { .. }
            | Self::UserBudgetUsedUp { .. } => ReasonCode::BudgetUsedUp,
            Self::Cooldown { .. } => ReasonCode::Cooldown,
            Self::RedisUnavailable => ReasonCode::RedisUnavailable,
            Self::RepositoryDisabled { .. } => ReasonCode::RepositoryDisabled,
            Self::NoRepositorySlot { .. } => ReasonCode::NoRepositorySlot,
        }
    }

    fn retry_at(&self) -> Option<DateTime<Utc>> {
        match self {
            // A limit of 0 lasts until the setting changes.
            Self::BudgetUsedUp { limit: 0, .. } => None,
            Self::BudgetUsedUp { resets_at, .. }
            | Self::RepositoryBudgetUsedUp { resets_at, .. }
            | Self::UserBudgetUsedUp { resets_at, .. } => Some(*resets_at),
            Self::BreakerOpen { breaker, .. } => Some(breaker.retry_at).filter(|_| !breaker.half_open),
            Self::Cooldown { remaining } => {
                TimeDelta::from_std(*remaining).ok().map(|left| Utc::now() + left)
            }
            Self::Paused(_)
            | Self::NoSlot { .. }
            | Self::RedisUnavailable
            | Self::RepositoryDisabled { .. }
            | Self::NoRepositorySlot { .. } => None,
        }
    }

    /// As `/api/status` and `explain` show it.
    pub(crate) fn to_protocol(&self) -> explain::BlockedReason {
        explain::BlockedReason {
            code: self.code(),
            message: self.to_string(),
            retry_at: self.retry_at(),
        }
    }
}

impl fmt::Display for BlockedReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused(Pause {
                since,
                paused_by,
                reason,
            }) => {
                write!(formatter, "The queue was paused at {}", minutes(since))?;
                if let Some(paused_by) = paused_by {
                    write!(formatter, " by {}", paused_by.trim())?;
                }
                if let Some(reason) = reason {
                    write!(formatter, " ({})", reason.trim())?;
                }
                formatter.write_str(". POST /api/queue/resume resumes it.")
            }
            Self::BreakerOpen { breaker, remaining: _ } => formatter.write_str(&breaker.explanation),
            Self::NoSlot { max: 0 } => {
                formatter.write_str("No worker is started because MAX_WORKERS is 0. Increase it to start some.")
            }
            Self::NoSlot { max } => write!(
                formatter,
                "All worker slots are in use (MAX_WORKERS is {max}). The next item starts when a worker ends."
            ),
            Self::BudgetUsedUp { limit: 0, .. } => {
                formatter.write_str("No worker is started because DAILY_BUDGET is 0. Increase it to start some.")
            }
            Self::BudgetUsedUp { limit, resets_at } => write!(
                formatter,
                "All {limit} iterations of the day are used or reserved (DAILY_BUDGET). The budget resets at {}.",
                minutes(resets_at)
            ),
            Self::Cooldown { remaining } => write!(
                formatter,
                "The cooldown after the latest start lasts another {} s (COOLDOWN_SECONDS).",
                remaining.as_millis().div_ceil(1000)
            ),
            Self::RedisUnavailable => formatter.write_str(
                "Redis is unavailable, so nothing new is started. Check that Redis is running and that REDIS_URL is \
                 correct.",
            ),
            Self::RepositoryDisabled { repository, setting } => write!(
                formatter,
                "No worker is started in {repository} because {setting} sets it to 0. Change the setting to start some."
            ),
            Self::NoRepositorySlot { repository, max } => write!(
                formatter,
                "{repository} has its maximum of {max} workers (MAX_WORKERS_PER_REPO or MAX_WORKERS_REPO_OVERRIDES). \
                 Its next item starts when one of them ends."
            ),
            Self::RepositoryBudgetUsedUp {
                repository,
                limit,
                resets_at,
            } => write!(
                formatter,
                "All {limit} iterations of the day for {repository} are used or reserved (DAILY_BUDGET_PER_REPO or \
                 DAILY_BUDGET_REPO_OVERRIDES). The budget resets at {}.",
                minutes(resets_at)
            ),
            Self::UserBudgetUsedUp {
                user,
                limit,
                resets_at,
            } => write!(
                formatter,
                "All {limit} iterations of the day for requests by {user} are used or reserved \
                 (DAILY_BUDGET_PER_USER). The budget resets at {}.",
                minutes(resets_at)
            ),
        }
    }
}

fn minutes(time: &DateTime<Utc>) -> impl fmt::Display {
    time.format("%Y-%m-%d %H:%M UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_explained_with_its_setting_and_what_ends_it() {
        let resets_at = DateTime::UNIX_EPOCH;
        let repository = || "octocat/hello".to_owned();
        let paused = |by: Option<&str>, reason: Option<&str>| {
            BlockedReason::Paused(Pause {
                since: DateTime::UNIX_EPOCH,
                paused_by: by.map(str::to_owned),
                reason: reason.map(str::to_owned),
            })
        };
        let reasons = [
            paused(None, None),
            paused(Some("ana"), Some("the plan is used up")),
            BlockedReason::NoSlot { max: 0 },
            BlockedReason::NoSlot { max: 2 },
            BlockedReason::BudgetUsedUp {
                limit: 200,
                resets_at,
            },
            BlockedReason::BudgetUsedUp { limit: 0, resets_at },
            BlockedReason::Cooldown {
                remaining: Duration::from_millis(1500),
            },
            BlockedReason::RedisUnavailable,
            BlockedReason::RepositoryDisabled {
                repository: repository(),
                setting: "MAX_WORKERS_REPO_OVERRIDES",
            },
            BlockedReason::NoRepositorySlot {
                repository: repository(),
                max: 3,
            },
            BlockedReason::RepositoryBudgetUsedUp {
                repository: repository(),
                limit: 20,
                resets_at,
            },
            BlockedReason::UserBudgetUsedUp {
                user: "mona".to_owned(),
                limit: 10,
                resets_at,
            },
        ];

        let sentences: Vec<String> = reasons.iter().map(ToString::to_string).collect();

        insta::assert_snapshot!(sentences.join("\n"), @r"
        The queue was paused at 1970-01-01 00:00 UTC. POST /api/queue/resume resumes it.
        The queue was paused at 1970-01-01 00:00 UTC by ana (the plan is used up). POST /api/queue/resume resumes it.
        No worker is started because MAX_WORKERS is 0. Increase it to start some.
        All worker slots are in use (MAX_WORKERS is 2). The next item starts when a worker ends.
        All 200 iterations of the day are used or reserved (DAILY_BUDGET). The budget resets at 1970-01-01 00:00 UTC.
        No worker is started because DAILY_BUDGET is 0. Increase it to start some.
        The cooldown after the latest start lasts another 2 s (COOLDOWN_SECONDS).
        Redis is unavailable, so nothing new is started. Check that Redis is running and that REDIS_URL is correct.
        No worker is started in octocat/hello because MAX_WORKERS_REPO_OVERRIDES sets it to 0. Change the setting to start some.
        octocat/hello has its maximum of 3 workers (MAX_WORKERS_PER_REPO or MAX_WORKERS_REPO_OVERRIDES). Its next item starts when one of them ends.
        All 20 iterations of the day for octocat/hello are used or reserved (DAILY_BUDGET_PER_REPO or DAILY_BUDGET_REPO_OVERRIDES). The budget resets at 1970-01-01 00:00 UTC.
        All 10 iterations of the day for requests by mona are used or reserved (DAILY_BUDGET_PER_USER). The budget resets at 1970-01-01 00:00 UTC.
        ");
    }

    #[test]
    fn a_limit_of_zero_has_no_retry_time() {
        let resets_at = DateTime::UNIX_EPOCH;
        let disabled = BlockedReason::RepositoryDisabled {
            repository: "octocat/hello".to_owned(),
            setting: "DAILY_BUDGET_REPO_OVERRIDES",
        };
        for (reason, retry_at) in [
            (BlockedReason::BudgetUsedUp { limit: 0, resets_at }, None),
            (
                BlockedReason::BudgetUsedUp { limit: 1, resets_at },
                Some(resets_at),
            ),
            (BlockedReason::NoSlot { max: 0 }, None),
            (disabled, None),
        ] {
            assert_eq!(reason.to_protocol().retry_at, retry_at, "{reason}");
        }
    }
}
