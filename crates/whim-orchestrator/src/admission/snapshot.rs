//! Everything that admission depends on, at one moment.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{NaiveDate, NaiveTime, Utc};
use sqlx::PgConnection;
use whim_core::protocol::queue::Pause;
use whim_service::chain::chain;

use crate::app::App;
use crate::breakers::{OpenBreakers, worker_credential};
use crate::config::LimitsConfig;
use crate::db::budget::{self, Share, Usage};
use crate::db::pause;
use crate::db::queue_state::{QueueState, queue_state_and_usage, workers_by_repository};
use crate::limits::BudgetCopy;

#[derive(Clone, Debug)]
pub(crate) struct Snapshot<'a> {
    pub(crate) limits: &'a LimitsConfig,
    /// This orchestrator instance, for the breaker of its runtime.
    pub(crate) instance: &'a str,
    /// Credential of its workers for the model API.
    pub(crate) credential: &'a str,
    pub(crate) paused: Option<Pause>,
    pub(crate) breakers: OpenBreakers,
    pub(crate) live_workers: u32,
    /// Live workers by repository in lower case. Read only where a cap depends on it.
    pub(crate) repository_workers: BTreeMap<String, u32>,
    pub(crate) usage: Usage,
    /// Iterations of the day by repository and user. Read only where a budget depends on it.
    pub(crate) shares: Shares,
    pub(crate) cooldown: Cooldown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cooldown {
    Over,
    Running { remaining: Duration },
    RedisUnavailable,
}

/// Used and reserved iterations of the day, by names in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shares {
    pub(crate) by_repository: BTreeMap<String, u32>,
    pub(crate) by_user: BTreeMap<String, u32>,
}

impl<'a> Snapshot<'a> {
    /// For people: takes nothing, and reports an unavailable Redis as a cooldown.
    ///
    /// # Errors
    /// Postgres is unavailable.
    pub(crate) async fn read(app: &'a App) -> sqlx::Result<Self> {
        let mut connection = app.database.acquire().await?;
        let (state, usage) = queue_state_and_usage(&mut *connection).await?;
        let cooldown = match app.limits.cooldown_left().await {
            Ok(Duration::ZERO) => Cooldown::Over,
            Ok(remaining) => Cooldown::Running { remaining },
            Err(_) => Cooldown::RedisUnavailable,
        };
        Self::complete(app, &mut connection, state, usage, cooldown).await
    }

    /// Reads what `state` says is needed: nothing more where nothing is paused, open or limited by repository or user.
    pub(crate) async fn complete(
        app: &'a App,
        db: &mut PgConnection,
        state: QueueState,
        usage: Usage,
        cooldown: Cooldown,
    ) -> sqlx::Result<Self> {
        let limits = &app.config.limits;
        let mut snapshot = Self {
            limits,
            instance: app.runtime.instance(),
            credential: worker_credential(&app.config),
            paused: None,
            breakers: OpenBreakers::default(),
            live_workers: state.live_workers,
            repository_workers: BTreeMap::new(),
            usage,
            shares: Shares::default(),
            cooldown,
        };
        if state.paused {
            snapshot.paused = pause::current(&mut *db).await?;
        }
        if state.breakers {
            snapshot.breakers = OpenBreakers::read(&mut *db).await?;
        }
        if !limits.repositories.is_empty() {
            snapshot.repository_workers = workers_by_repository(&mut *db).await?;
        }
        if limits.has_shares() {
            snapshot.shares = Shares::sum(budget::shares(db).await?);
        }
        Ok(snapshot)
    }
}

impl Shares {
    fn sum(shares: Vec<Share>) -> Self {
        let mut sums = Self::default();
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
            add(&mut sums.by_repository, repo);
            if let Some(user) = requested_by {
                add(&mut sums.by_user, user);
            }
        }
        sums
    }
}

/// The day's usage as far as the dispatcher needs it before a claim, which reads it exactly. The copy in Redis is good
/// enough while it says that something remains; otherwise it may be stale.
pub(crate) async fn daily_usage(app: &App, db: &mut PgConnection) -> sqlx::Result<(Usage, Cooldown)> {
    let day = Utc::now().date_naive();
    let cooldown = match app.limits.budget(day).await {
        Ok(Some(copy)) if copy.used.saturating_add(copy.reserved) < app.config.limits.daily_budget => {
            return Ok((usage_of(day, copy), Cooldown::Over));
        }
        Ok(_used_up_or_missing) => Cooldown::Over,
        Err(error) => {
            let error = chain(&error);
            tracing::warn!(%error, "Redis is unavailable; nothing new is started");
            Cooldown::RedisUnavailable
        }
    };
    Ok((budget::today(db).await?, cooldown))
}

fn usage_of(day: NaiveDate, copy: BudgetCopy) -> Usage {
    let BudgetCopy { used, reserved } = copy;
    Usage {
        day,
        used,
        reserved,
        resets_at: day.succ_opt().unwrap_or(day).and_time(NaiveTime::MIN).and_utc(),
    }
}
