//! When a worker counts as lost or stuck, and when its item is retried.

use std::time::Duration;

use whim_core::retry::RetrySchedule;
use whim_service::environment::{Environment, seconds};

use super::values::{DAY, SHORTEST, retry_delays};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleConfig {
    /// `STALE_THRESHOLD`: duration of a lease after each heartbeat.
    pub stale_threshold: Duration,
    /// `REGISTER_TIMEOUT_SECONDS`: from the claim to the registration.
    pub register_timeout: Duration,
    /// `PROGRESS_DEADLINE_SECONDS`: maximum time without progress.
    pub progress_deadline: Duration,
    /// `RETRY_DELAYS_SECONDS`.
    pub retries: RetrySchedule,
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
                "RETRY_DELAYS_SECONDS",
                [60, 300, 1800].map(Duration::from_secs).to_vec(),
                retry_delays(),
            )),
        }
    }
}
