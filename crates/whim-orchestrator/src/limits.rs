//! The cooldown, and a copy of the day's budget, in Redis.
//!
//! The cooldown is exact across orchestrators, because a script takes it. The budget is counted in Postgres; the copy
//! saves the dispatcher a query before a claim. Nothing new is started while Redis is unavailable.

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use redis::Script;
use whim_core::WorkerId;

use crate::redis_connection::{RedisConnection, RedisFailed};

/// Expiry of the copy of a day: past the end of the day in every time zone.
const COPY_EXPIRY: Duration = Duration::from_hours(48);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cooldown {
    /// A worker may be started now.
    Taken,
    /// A worker was started too recently.
    Running { remaining: Duration },
    /// Redis was emptied: rebuild it from Postgres first ([`Limits::rebuild`]).
    Unknown,
}

/// Iterations of the day when they were last counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetCopy {
    pub used: u32,
    /// For live workers.
    pub reserved: u32,
}

#[derive(Clone, Debug)]
pub struct Limits {
    redis: RedisConnection,
    length: Duration,
    scripts: Arc<Scripts>,
}

#[derive(Debug)]
struct Scripts {
    take: Script,
    release: Script,
    rebuild: Script,
}

impl Limits {
    /// A `cooldown` of zero disables it.
    pub fn new(redis: RedisConnection, cooldown: Duration) -> Self {
        let scripts = Scripts {
            take: Script::new(include_str!("scripts/cooldown_take.lua")),
            release: Script::new(include_str!("scripts/cooldown_release.lua")),
            rebuild: Script::new(include_str!("scripts/limits_rebuild.lua")),
        };
        Self {
            redis,
            length: cooldown,
            scripts: Arc::new(scripts),
        }
    }

    pub fn cooldown_length(&self) -> Duration {
        self.length
    }

    /// Takes the cooldown for a worker that is about to be started.
    ///
    /// # Errors
    /// Redis is unavailable.
    pub async fn take_cooldown(&self, holder: WorkerId) -> Result<Cooldown, RedisFailed> {
        if self.length.is_zero() {
            // Nothing new is started without Redis, whatever the settings.
            return self.redis.ping().await.map(|()| Cooldown::Taken);
        }
        let mut call = self.scripts.take.prepare_invoke();
        call.key(self.cooldown_key()).key(self.mark_key());
        call.arg(holder.to_string()).arg(whole_milliseconds(self.length));
        let result: i64 = self.redis.script("taking the cooldown", &call).await?;
        Ok(match u64::try_from(result) {
            Ok(0) => Cooldown::Taken,
            Ok(remaining) => Cooldown::Running {
                remaining: Duration::from_millis(remaining),
            },
            Err(_negative) => Cooldown::Unknown,
        })
    }

    /// Ends the cooldown that `holder` took, because it was not started.
    ///
    /// # Errors
    /// Redis is unavailable; the cooldown then ends at its time.
    pub async fn release_cooldown(&self, holder: WorkerId) -> Result<(), RedisFailed> {
        let mut call = self.scripts.release.prepare_invoke();
        call.key(self.cooldown_key()).arg(holder.to_string());
        self.redis.script("releasing the cooldown", &call).await
    }

    /// Remaining time of the cooldown; zero if none is running.
    ///
    /// # Errors
    /// Redis is unavailable.
    pub async fn cooldown_left(&self) -> Result<Duration, RedisFailed> {
        let mut pttl = redis::cmd("PTTL");
        pttl.arg(self.cooldown_key());
        let left: i64 = self.redis.command("reading the cooldown", &pttl).await?;
        Ok(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    }

    /// Fills an emptied Redis. The cooldown began `since_last_start` ago; `None` if no worker was ever started.
    ///
    /// # Errors
    /// Redis is unavailable.
    pub async fn rebuild(&self, since_last_start: Option<Duration>) -> Result<(), RedisFailed> {
        let left = since_last_start.map_or(Duration::ZERO, |since| self.length.saturating_sub(since));
        let mut call = self.scripts.rebuild.prepare_invoke();
        call.key(self.cooldown_key()).key(self.mark_key());
        call.arg(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        self.redis.script("rebuilding the limits", &call).await
    }

    /// The copy of a day; `None` if there is none.
    ///
    /// # Errors
    /// Redis is unavailable.
    pub async fn budget(&self, day: NaiveDate) -> Result<Option<BudgetCopy>, RedisFailed> {
        let mut hmget = redis::cmd("HMGET");
        hmget.arg(self.budget_key(day)).arg("used").arg("reserved");
        let (used, reserved): (Option<u32>, Option<u32>) =
            self.redis.command("reading the day's budget", &hmget).await?;
        Ok(used
            .zip(reserved)
            .map(|(used, reserved)| BudgetCopy { used, reserved }))
    }

    /// Writes the copy of a day.
    ///
    /// # Errors
    /// Redis is unavailable.
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
        expire.arg(&key).arg(COPY_EXPIRY.as_secs());
        self.redis
            .command("setting the expiry of the day's budget", &expire)
            .await
    }

    fn cooldown_key(&self) -> String {
        self.redis.key("cooldown")
    }

    /// Exists as long as Redis was not emptied since the limits were written.
    fn mark_key(&self) -> String {
        self.redis.key("limits-known")
    }

    fn budget_key(&self, day: NaiveDate) -> String {
        self.redis.key(&format!("budget:{day}"))
    }
}

/// Redis takes whole milliseconds and rejects zero.
fn whole_milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}
