//! Why nothing new is started.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use whim_core::protocol::queue::Pause;
use whim_core::protocol::status::{Breaker, Budget, Cooldown, Slots};
use whim_core::{RepoName, UserName, WorkItemId};
use whim_service::chain::chain;

use super::breakers::Breakers;
use super::exclusions::Budgets;
use super::remaining;
use crate::app::App;
use crate::db::{budget, pause, work_items, workers};
use crate::limits::BudgetCopy;

/// Why nothing new is started; displays as one sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockedReason {
    /// A person paused the queue.
    Paused(Pause),
    /// Every slot is taken.
    NoSlot {
        /// `MAX_WORKERS`.
        max: u32,
    },
    /// The day's iterations are used or reserved.
    BudgetUsedUp {
        /// `DAILY_BUDGET`.
        limit: u32,
        /// When the next day begins.
        resets_at: DateTime<Utc>,
    },
    /// A worker was started too recently.
    Cooldown {
        /// How long it lasts still.
        left: Duration,
    },
    /// Redis does not answer.
    RedisAway,
    /// What is needed failed, and is spared for a time.
    BreakerOpen {
        /// The breaker that is open.
        breaker: Breaker,
        /// When it is tried again, or is over; zero while a worker tries.
        left: Duration,
    },
    /// The day's iterations of a repository are used or reserved. Concerns its items only.
    RepositoryBudgetUsedUp {
        /// The repository.
        repo: RepoName,
        /// Its budget.
        limit: u32,
        /// When the next day begins.
        resets_at: DateTime<Utc>,
    },
    /// The day's iterations of a person are used or reserved. Concerns what that person asked for only.
    UserBudgetUsedUp {
        /// The person.
        user: UserName,
        /// `DAILY_BUDGET_PER_USER`.
        limit: u32,
        /// When the next day begins.
        resets_at: DateTime<Utc>,
    },
    /// A repository has as many workers as it may. Concerns its items only.
    NoRepositorySlot {
        /// The repository.
        repo: RepoName,
        /// Its cap.
        max: u32,
    },
}

impl BlockedReason {
    /// How long it holds at the most, where nothing else can end it that tells of itself.
    pub(super) fn over_in(&self) -> Option<Duration> {
        match self {
            Self::Cooldown { left } => Some(*left),
            Self::BreakerOpen { breaker: _, left } => Some(*left).filter(|left| !left.is_zero()),
            // A queue that is resumed and a worker that ends poke the dispatcher; a new day or a Redis that is back are found by the tick.
            Self::Paused(_)
            | Self::NoSlot { .. }
            | Self::NoRepositorySlot { .. }
            | Self::BudgetUsedUp { .. }
            | Self::RepositoryBudgetUsedUp { .. }
            | Self::UserBudgetUsedUp { .. }
            | Self::RedisAway => None,
        }
    }
}

impl fmt::Display for BlockedReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused(Pause { since, paused_by, reason }) => {
                write!(
                    formatter,
                    "The queue was paused at {}",
                    since.format("%Y-%m-%d %H:%M UTC")
                )?;
                if let Some(paused_by) = paused_by {
                    write!(formatter, " by {}", paused_by.trim())?;
                }
                if let Some(reason) = reason {
                    write!(formatter, " ({})", reason.trim())?;
                }
                formatter.write_str("; POST /api/queue/resume ends that.")
            }
            Self::NoSlot { max: 0 } => {
                formatter.write_str("MAX_WORKERS is 0: no worker is started until it is set to more.")
            }
            Self::NoSlot { max: 1 } => {
                formatter.write_str("The one worker slot is taken (MAX_WORKERS is 1).")
            }
            Self::NoSlot { max } => write!(
                formatter,
                "All {max} worker slots are taken (MAX_WORKERS is {max})."
            ),
            Self::BudgetUsedUp { limit, resets_at } => write!(
                formatter,
                "The day's {limit} iterations are used or reserved (DAILY_BUDGET); the next day begins at {}.",
                resets_at.format("%Y-%m-%d %H:%M UTC")
            ),
            Self::RepositoryBudgetUsedUp { repo, limit: 0, .. } => {
                write!(formatter, "Nothing is started in {repo} (DAILY_BUDGET_REPO_OVERRIDES).")
            }
            Self::RepositoryBudgetUsedUp {
                repo,
                limit,
                resets_at,
            } => write!(
                formatter,
                "The day's {limit} iterations of {repo} are used or reserved (DAILY_BUDGET_PER_REPO or \
                 DAILY_BUDGET_REPO_OVERRIDES); the next day begins at {}.",
                resets_at.format("%Y-%m-%d %H:%M UTC")
            ),
            Self::UserBudgetUsedUp {
                user,
                limit,
                resets_at,
            } => write!(
                formatter,
                "The day's {limit} iterations for what {user} asks for are used or reserved \
                 (DAILY_BUDGET_PER_USER); the next day begins at {}.",
                resets_at.format("%Y-%m-%d %H:%M UTC")
            ),
            Self::Cooldown { left } => write!(
                formatter,
                "The pause between two starts lasts another {} (COOLDOWN_SECONDS).",
                whole_seconds(*left)
            ),
            Self::RedisAway => {
                formatter.write_str(
                    "Redis does not answer: nothing new is started until it does; see that it runs, and that REDIS_URL \
                     leads to it.",
                )
            }
            Self::BreakerOpen { breaker, left: _ } => formatter.write_str(&breaker.explanation),
            Self::NoRepositorySlot { repo, max: 0 } => {
                write!(formatter, "Nothing is started in {repo} (MAX_WORKERS_REPO_OVERRIDES).")
            }
            Self::NoRepositorySlot { repo, max } => write!(
                formatter,
                "{repo} has as many workers as it may at once: {max} (MAX_WORKERS_PER_REPO or MAX_WORKERS_REPO_OVERRIDES)."
            ),
        }
    }
}

fn whole_seconds(duration: Duration) -> String {
    let seconds = duration.as_millis().div_ceil(1000);
    format!("{seconds} s")
}

/// The limits as they are now, for people.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The worker slots.
    pub slots: Slots,
    /// The day's iterations, from Postgres.
    pub budget: Budget,
    /// The pause between two starts.
    pub cooldown: Cooldown,
    /// The pause that a person asked for.
    pub paused: Option<Pause>,
    /// The breakers that are open.
    pub breakers: Vec<Breaker>,
    /// Why nothing new would be started; empty when the next item would be at once.
    pub refusals: Vec<BlockedReason>,
    /// The budgets of single repositories and people that are used up: what waits for those is not started.
    pub used_up: Vec<BlockedReason>,
}

/// Looks at every limit, and takes nothing.
///
/// # Errors
/// Postgres is away. Redis away is a refusal.
pub async fn admission(app: &App) -> sqlx::Result<Admission> {
    let limits = &app.config.limits;
    let (active, usage, paused, open) = tokio::try_join!(
        workers::count_live(&app.database),
        budget::today(&app.database),
        pause::current(&app.database),
        Breakers::read(&app.database)
    )?;
    let budgets = Budgets::look(limits, &mut *app.database.acquire().await?).await?;
    let cooldown_left = app.limits.cooldown_left().await;

    let mut refusals: Vec<BlockedReason> = paused.clone().map(BlockedReason::Paused).into_iter().collect();
    refusals.extend(open.refusal(app.runtime.instance()));
    if active >= limits.max_workers {
        refusals.push(BlockedReason::NoSlot {
            max: limits.max_workers,
        });
    }
    if remaining(limits.daily_budget, &usage) == 0 {
        refusals.push(used_up(limits.daily_budget, usage.resets_at));
    }
    let mut ends_at = None;
    match cooldown_left {
        Ok(Duration::ZERO) => {}
        Ok(left) => {
            ends_at = TimeDelta::from_std(left).ok().map(|left| Utc::now() + left);
            refusals.push(BlockedReason::Cooldown { left });
        }
        Err(_redis_is_away) => refusals.push(BlockedReason::RedisAway),
    }
    Ok(Admission {
        slots: Slots {
            active,
            max: limits.max_workers,
        },
        budget: Budget {
            limit: limits.daily_budget,
            used: usage.used,
            reserved: usage.reserved,
            remaining: remaining(limits.daily_budget, &usage),
            resets_at: usage.resets_at,
        },
        cooldown: Cooldown {
            seconds: app.limits.cooldown_length().as_secs_f64(),
            ends_at,
        },
        paused,
        breakers: open.shown(),
        refusals,
        used_up: budgets.refusals(limits, usage.resets_at),
    })
}

/// Why no spec of an item is asked for: what spares the model API for workers spares it for specs too. Where it may be
/// tried, the first of the items that wait for a spec tries.
///
/// # Errors
/// Postgres is away.
pub async fn refusal_of_spec(app: &App, item: WorkItemId) -> sqlx::Result<Option<BlockedReason>> {
    let open = Breakers::read(&app.database).await?;
    let Some((refusal, may_be_tried)) = open.refusal_of_model() else {
        return Ok(None);
    };
    let tries = may_be_tried && work_items::next_without_spec(&app.database).await? == Some(item);
    Ok((!tries).then_some(refusal))
}

/// Whether the day's budget is used up. Asks the copy first: as long as that has something left, the claim finds out
/// exactly; only where it has nothing left the truth is asked for, because the copy may be old.
pub(super) async fn budget_refusal(app: &App) -> sqlx::Result<Option<BlockedReason>> {
    let limit = app.config.limits.daily_budget;
    match app.limits.budget(Utc::now().date_naive()).await {
        Ok(Some(BudgetCopy { used, reserved })) if used.saturating_add(reserved) < limit => return Ok(None),
        Ok(_nothing_left_or_unknown) => {}
        Err(error) => {
            let error = chain(&error);
            tracing::warn!(%error, "nothing new is started without Redis");
            return Ok(Some(BlockedReason::RedisAway));
        }
    }
    let usage = budget::today(&app.work_database).await?;
    Ok((remaining(limit, &usage) == 0).then(|| used_up(limit, usage.resets_at)))
}

pub(super) fn used_up(limit: u32, resets_at: DateTime<Utc>) -> BlockedReason {
    BlockedReason::BudgetUsedUp { limit, resets_at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_a_sentence_that_names_its_setting() {
        let resets_at = DateTime::UNIX_EPOCH;
        let repo = || RepoName::parse("octocat/hello").unwrap();
        let paused = |by: Option<&str>, reason: Option<&str>| {
            BlockedReason::Paused(Pause {
                since: DateTime::UNIX_EPOCH,
                paused_by: by.map(str::to_owned),
                reason: reason.map(str::to_owned),
            })
        };
        let refusals = [
            paused(None, None),
            paused(Some("ana"), Some("the plan is used up")),
            BlockedReason::NoSlot { max: 0 },
            BlockedReason::NoSlot { max: 1 },
            BlockedReason::NoSlot { max: 2 },
            used_up(200, resets_at),
            BlockedReason::Cooldown {
                left: Duration::from_millis(1500),
            },
            BlockedReason::RedisAway,
            BlockedReason::RepositoryBudgetUsedUp {
                repo: repo(),
                limit: 20,
                resets_at,
            },
            BlockedReason::RepositoryBudgetUsedUp {
                repo: repo(),
                limit: 0,
                resets_at,
            },
            BlockedReason::UserBudgetUsedUp {
                user: UserName::parse("mona").unwrap(),
                limit: 10,
                resets_at,
            },
            BlockedReason::NoRepositorySlot { repo: repo(), max: 0 },
            BlockedReason::NoRepositorySlot { repo: repo(), max: 3 },
        ];

        let sentences: Vec<String> = refusals.iter().map(ToString::to_string).collect();

        insta::assert_snapshot!(sentences.join("\n"), @r"
        The queue was paused at 1970-01-01 00:00 UTC; POST /api/queue/resume ends that.
        The queue was paused at 1970-01-01 00:00 UTC by ana (the plan is used up); POST /api/queue/resume ends that.
        MAX_WORKERS is 0: no worker is started until it is set to more.
        The one worker slot is taken (MAX_WORKERS is 1).
        All 2 worker slots are taken (MAX_WORKERS is 2).
        The day's 200 iterations are used or reserved (DAILY_BUDGET); the next day begins at 1970-01-01 00:00 UTC.
        The pause between two starts lasts another 2 s (COOLDOWN_SECONDS).
        Redis does not answer: nothing new is started until it does; see that it runs, and that REDIS_URL leads to it.
        The day's 20 iterations of octocat/hello are used or reserved (DAILY_BUDGET_PER_REPO or DAILY_BUDGET_REPO_OVERRIDES); the next day begins at 1970-01-01 00:00 UTC.
        Nothing is started in octocat/hello (DAILY_BUDGET_REPO_OVERRIDES).
        The day's 10 iterations for what mona asks for are used or reserved (DAILY_BUDGET_PER_USER); the next day begins at 1970-01-01 00:00 UTC.
        Nothing is started in octocat/hello (MAX_WORKERS_REPO_OVERRIDES).
        octocat/hello has as many workers as it may at once: 3 (MAX_WORKERS_PER_REPO or MAX_WORKERS_REPO_OVERRIDES).
        ");
    }
}
