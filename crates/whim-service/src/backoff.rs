//! Delays between attempts.
//!
//! The crate `backon` does the work; here is the one policy of Whim's programs. For retries of a single call, use
//! [`Retryable::retry`].

use std::time::Duration;

pub use backon::{BackoffBuilder, ExponentialBuilder, Retryable};

/// Delays that double from `first` up to `longest`, without an end.
///
/// Jitter adds up to the delay itself on top: a delay lies between its nominal value and twice that.
pub const fn exponential(first: Duration, longest: Duration) -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(first)
        .with_max_delay(longest)
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
}
