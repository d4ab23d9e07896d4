//! Delays between attempts: exponential, with jitter, so that many callers do not come back at the same moment.

use std::future::Future;
use std::num::NonZeroUsize;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder, Retryable as _};

use crate::chain::Chain;

/// A series of delays that doubles from `first` up to `longest`; endless unless a number of retries is given.
///
/// Jitter adds up to the delay itself on top, so a delay lies between the nominal value and twice of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    retries: Option<NonZeroUsize>,
}

impl Backoff {
    /// An endless series.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            retries: None,
        }
    }

    /// The same series, ended after `retries` delays.
    pub const fn with_retries(self, retries: NonZeroUsize) -> Self {
        Self {
            retries: Some(retries),
            ..self
        }
    }

    /// The delays, each drawn anew.
    pub fn delays(&self) -> impl Iterator<Item = Duration> + Send + Sync + use<> {
        self.builder().build()
    }

    fn builder(&self) -> ExponentialBuilder {
        let builder = ExponentialBuilder::new()
            .with_min_delay(self.first)
            .with_max_delay(self.longest)
            .with_factor(2.0)
            .with_jitter();
        match self.retries {
            Some(retries) => builder.with_max_times(retries.get()),
            None => builder.without_max_times(),
        }
    }
}

/// Calls until `call` succeeds, `worth_retrying` refuses its error, or the delays are used up.
///
/// Each failure that is followed by another attempt is logged as a warning with `what`.
///
/// # Errors
/// The last error of `call`.
pub async fn retry<T, E, Call, Attempt>(
    what: &str,
    backoff: Backoff,
    worth_retrying: impl FnMut(&E) -> bool,
    call: Call,
) -> Result<T, E>
where
    E: std::error::Error + 'static,
    Call: FnMut() -> Attempt,
    Attempt: Future<Output = Result<T, E>>,
{
    call.retry(backoff.builder())
        .sleep(tokio::time::sleep)
        .when(worth_retrying)
        .notify(|error, delay| {
            let error: Chain<'_> = crate::chain::chain(error);
            tracing::warn!(%error, delay_ms = delay.as_millis(), "{what} failed and is tried again");
        })
        .await
}
