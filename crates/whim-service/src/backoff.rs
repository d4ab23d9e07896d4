//! Delays between attempts: exponential, with jitter, so that many callers do not come back at the same moment.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};

/// An endless series of delays that doubles from `first` up to `longest`.
///
/// Jitter adds up to the delay itself on top, so a delay lies between the nominal value and twice of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// From `first` to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The delays, each drawn anew.
    pub fn delays(&self) -> impl Iterator<Item = Duration> + Send + Sync + use<> {
        ExponentialBuilder::new()
            .with_min_delay(self.first)
            .with_max_delay(self.longest)
            .with_factor(2.0)
            .with_jitter()
            .without_max_times()
            .build()
    }
}
