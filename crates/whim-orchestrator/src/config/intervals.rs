//! Polling intervals.

use std::time::Duration;

use whim_service::environment::{Environment, seconds};

use super::values::SHORTEST;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// `DISPATCH_INTERVAL_SECONDS`: queue, due retries, leases and workers to terminate.
    pub dispatch: Duration,
    /// `RECONCILE_INTERVAL_SECONDS`: garbage of the runtime, the budget's copy in Redis, old logs and the like.
    pub reconcile: Duration,
}

impl Intervals {
    pub(super) fn read(env: &mut Environment) -> Self {
        let interval = || seconds(SHORTEST..=Duration::from_hours(1));
        Self {
            dispatch: env.or_default("DISPATCH_INTERVAL_SECONDS", Duration::from_secs(5), interval()),
            reconcile: env.or_default("RECONCILE_INTERVAL_SECONDS", Duration::from_mins(1), interval()),
        }
    }
}
