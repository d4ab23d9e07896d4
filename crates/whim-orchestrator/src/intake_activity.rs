//! Whether the intake calls the API, so that a missing spec can be explained.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use whim_service::chain::chain;

use crate::redis_connection::{RedisConnection, RedisFailed};

/// The intake polls every few seconds. After so long without a call it is not running.
const SILENT_AFTER: TimeDelta = TimeDelta::minutes(2);
/// Calls are recorded no more often than this.
const RECORD_INTERVAL: Duration = Duration::from_secs(10);

/// The time of the latest call, in Redis, because the intake may call another orchestrator. Clones are the same.
#[derive(Clone, Debug)]
pub struct IntakeActivity {
    redis: RedisConnection,
    recorded_at: Arc<RwLock<Option<Instant>>>,
}

impl IntakeActivity {
    pub fn new(redis: RedisConnection) -> Self {
        Self {
            redis,
            recorded_at: Arc::default(),
        }
    }

    /// Records a call of the intake.
    pub async fn record(&self) {
        if !self.is_due() {
            return;
        }
        if let Err(error) = self.set(Utc::now()).await {
            tracing::debug!(error = %chain(&error), "failed to record a call of the intake");
        }
    }

    /// Records that the latest call was then.
    ///
    /// # Errors
    /// Redis is unavailable.
    pub async fn set(&self, called_at: DateTime<Utc>) -> Result<(), RedisFailed> {
        let mut set = redis::cmd("SET");
        set.arg(self.key()).arg(called_at.timestamp());
        self.redis.command("recording a call of the intake", &set).await
    }

    /// The silence of the intake; `None` if it called lately, or if Redis is unavailable.
    pub(crate) async fn silence(&self) -> Option<IntakeSilence> {
        let mut get = redis::cmd("GET");
        get.arg(self.key());
        let called_at: Option<i64> = self
            .redis
            .command("reading the latest call of the intake", &get)
            .await
            .ok()?;
        let called_at = called_at.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        IntakeSilence::at(Utc::now(), called_at)
    }

    fn is_due(&self) -> bool {
        let mut recorded_at = self.recorded_at.write().unwrap_or_else(PoisonError::into_inner);
        let due = recorded_at.is_none_or(|at| at.elapsed() >= RECORD_INTERVAL);
        if due {
            *recorded_at = Some(Instant::now());
        }
        due
    }

    fn key(&self) -> String {
        self.redis.key("intake-called-at")
    }
}

/// The intake has not called for a while. Displays as an explanation for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IntakeSilence {
    /// `None` if it has never called.
    called_at: Option<DateTime<Utc>>,
}

impl IntakeSilence {
    fn at(now: DateTime<Utc>, called_at: Option<DateTime<Utc>>) -> Option<Self> {
        let is_silent = called_at.is_none_or(|at| now - at > SILENT_AFTER);
        is_silent.then_some(Self { called_at })
    }
}

impl fmt::Display for IntakeSilence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.called_at {
            Some(at) => write!(
                formatter,
                "The intake has not called since {}",
                at.format("%Y-%m-%d %H:%M UTC")
            )?,
            None => formatter.write_str("The intake has not called yet")?,
        }
        formatter.write_str(
            ", so no specs are generated. Check that whim-intake is running, and that its ORCHESTRATOR_URL and API_KEY \
             are correct.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_intake_is_silent_if_it_has_not_called_for_two_minutes() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::hours(1);
        assert_eq!(IntakeSilence::at(now, Some(now)), None);
        assert_eq!(IntakeSilence::at(now, Some(now - TimeDelta::seconds(119))), None);
        // The clock of the orchestrator that recorded the call may be ahead.
        assert_eq!(IntakeSilence::at(now, Some(now + TimeDelta::seconds(5))), None);
        let since = now - TimeDelta::seconds(121);
        let silence = IntakeSilence::at(now, Some(since)).unwrap();
        assert!(
            silence
                .to_string()
                .starts_with("The intake has not called since 1970-01-01 00:57 UTC")
        );
        let never = IntakeSilence::at(now, None).unwrap();
        assert!(never.to_string().starts_with("The intake has not called yet"));
    }
}
