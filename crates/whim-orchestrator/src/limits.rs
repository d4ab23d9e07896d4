//! The pause between two starts, and the fast copy of the day's budget, in Redis.
//!
//! The cooldown is exact across orchestrators, because it is taken by a script. The truth of the budget is in Postgres
//! ([`crate::dispatch`]); the copy saves the question while nothing is left. Redis away means that nothing new starts.

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use redis::Script;
use whim_core::WorkerId;

use crate::redis_connection::{RedisConnection, RedisFailed};

/// How long the copy of a day is kept: past the end of its day in every time zone of a badly set clock.
const COPY_KEPT_FOR: Duration = Duration::from_hours(48);

/// What became of an attempt to take the cooldown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cooldown {
    /// A worker may be started now, and the next one when it is over.
    Taken,
    /// A worker was started too recently.
    Running { remaining: Duration },
    /// Redis was emptied: what it should know has to be rebuilt from Postgres first ([`Limits::rebuild`]).
    Unknown,
}

/// The day's iterations, as they were when they were last counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetCopy {
    /// How many were used.
    pub used: u32,
    /// How many are reserved for workers that live.
    pub reserved: u32,
}

/// The limits that Redis keeps.
#[derive(Clone, Debug)]
pub struct Limits {
    redis: RedisConnection,
    length: Duration,
    scripts: Arc<Scripts>,
}

#[derive(Debug)]
struct Scripts {
    take: Script,
    give_back: Script,
    rebuild: Script,
}

impl Limits {
    /// Limits in this Redis, with a cooldown of this length; zero is none.
    pub fn new(redis: RedisConnection, cooldown: Duration) -> Self {
        let scripts = Scripts {
            take: Script::new(include_str!("scripts/cooldown_take.lua")),
            give_back: Script::new(include_str!("scripts/cooldown_give_back.lua")),
            rebuild: Script::new(include_str!("scripts/limits_rebuild.lua")),
        };
        Self {
            redis,
            length: cooldown,
            scripts: Arc::new(scripts),
        }
    }

    /// How long a cooldown is.
    pub fn cooldown_length(&self) -> Duration {
        self.length
    }

    /// Takes the cooldown for the worker that is about to be started.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn take_cooldown(&self, holder: WorkerId) -> Result<Cooldown, RedisFailed> {
        if self.length.is_zero() {
            // Redis has to answer all the same: without it nothing new starts, whatever the settings.
            return self.redis.ping().await.map(|()| Cooldown::Taken);
        }
        let mut call = self.scripts.take.prepare_invoke();
        call.key(self.cooldown_key()).key(self.mark_key());
        call.arg(holder.to_string()).arg(whole_milliseconds(self.length));
        let answer: i64 = self.redis.script("taking the cooldown", &call).await?;
        Ok(match u64::try_from(answer) {
            Ok(0) => Cooldown::Taken,
            Ok(remaining) => Cooldown::Running {
                remaining: Duration::from_millis(remaining),
            },
            Err(_negative) => Cooldown::Unknown,
        })
    }

    /// Ends the cooldown that `holder` took, because it was not started after all.
    ///
    /// # Errors
    /// Redis is away; the cooldown then runs its course.
    pub async fn release_cooldown(&self, holder: WorkerId) -> Result<(), RedisFailed> {
        let mut call = self.scripts.give_back.prepare_invoke();
        call.key(self.cooldown_key()).arg(holder.to_string());
        self.redis.script("giving the cooldown back", &call).await
    }

    /// What is left of the running cooldown; zero when none runs.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn cooldown_left(&self) -> Result<Duration, RedisFailed> {
        let mut ask = redis::cmd("PTTL");
        ask.arg(self.cooldown_key());
        let left: i64 = self.redis.command("asking for the cooldown", &ask).await?;
        Ok(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    }

    /// Fills an emptied Redis: the cooldown has run for `since_last_start`, or never.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn rebuild(&self, since_last_start: Option<Duration>) -> Result<(), RedisFailed> {
        let left = since_last_start.map_or(Duration::ZERO, |since| self.length.saturating_sub(since));
        let mut call = self.scripts.rebuild.prepare_invoke();
        call.key(self.cooldown_key()).key(self.mark_key());
        call.arg(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        self.redis.script("rebuilding the limits", &call).await
    }

    /// The copy of a day's budget; `None` when there is none.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn budget(&self, day: NaiveDate) -> Result<Option<BudgetCopy>, RedisFailed> {
        let mut ask = redis::cmd("HMGET");
        ask.arg(self.budget_key(day)).arg("used").arg("reserved");
        let (used, reserved): (Option<u32>, Option<u32>) =
            self.redis.command("asking for the day's budget", &ask).await?;
        Ok(used
            .zip(reserved)
            .map(|(used, reserved)| BudgetCopy { used, reserved }))
    }

    /// Writes the copy of a day's budget.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn store_budget(&self, day: NaiveDate, copy: BudgetCopy) -> Result<(), RedisFailed> {
        let key = self.budget_key(day);
        let mut store = redis::cmd("HSET");
        store
            .arg(&key)
            .arg("used")
            .arg(copy.used)
            .arg("reserved")
            .arg(copy.reserved);
        self.redis
            .command::<()>("storing the day's budget", &store)
            .await?;
        let mut expire = redis::cmd("EXPIRE");
        expire.arg(&key).arg(COPY_KEPT_FOR.as_secs());
        self.redis
            .command("limiting the life of the day's budget", &expire)
            .await
    }

    fn cooldown_key(&self) -> String {
        self.redis.key("cooldown")
    }

    /// Says that this Redis was not emptied since the limits were last put into it.
    fn mark_key(&self) -> String {
        self.redis.key("limits-known")
    }

    fn budget_key(&self, day: NaiveDate) -> String {
        self.redis.key(&format!("budget:{day}"))
    }
}

/// Redis counts in whole milliseconds and refuses zero.
fn whole_milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}
