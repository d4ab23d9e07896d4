//! Retries of operations on GitHub, for a limited time.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use whim_service::backoff::{self, BackoffBuilder as _};

/// An error that says whether a retry can succeed.
pub(crate) trait Retryable {
    fn retry(&self) -> Retry;
}

/// Whether, and when, the same operation can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Not unless something is changed.
    Never,
    /// After a backoff.
    Backoff,
    /// After the delay that the server asked for.
    After(Duration),
}

const MAX_FIRST_DELAY: Duration = Duration::from_secs(1);
const MAX_DELAY: Duration = Duration::from_secs(15);

/// Repeats `operation` with growing delays until it succeeds, fails for good, or the next attempt would start after
/// `timeout`. Returns the last error then.
pub(crate) async fn retry_until_deadline<T, E: Retryable>(
    name: &str,
    timeout: Duration,
    mut operation: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E> {
    let deadline = Instant::now() + timeout;
    let mut delays = backoff::exponential((timeout / 50).min(MAX_FIRST_DELAY), MAX_DELAY).build();
    loop {
        let error = match operation().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let delay = match error.retry() {
            Retry::Never => return Err(error),
            Retry::Backoff => delays.next().unwrap_or(MAX_DELAY),
            Retry::After(delay) => delay,
        };
        if Instant::now() + delay >= deadline {
            return Err(error);
        }
        tracing::warn!(delay_ms = delay.as_millis(), "{name} failed and will be retried");
        sleep(delay).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_mins(1);

    #[derive(Debug, PartialEq)]
    struct Failed(Retry);

    impl Retryable for Failed {
        fn retry(&self) -> Retry {
            self.0
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_temporary_failure_is_retried() {
        let mut calls = 0;
        let result = retry_until_deadline("an operation", TIMEOUT, async || {
            calls += 1;
            if calls < 4 {
                Err(Failed(Retry::Backoff))
            } else {
                Ok(calls)
            }
        });
        assert_eq!(result.await, Ok(4));
    }

    #[tokio::test(start_paused = true)]
    async fn retries_stop_at_the_deadline() {
        let start = Instant::now();
        let result: Result<(), _> =
            retry_until_deadline("an operation", TIMEOUT, async || Err(Failed(Retry::Backoff))).await;
        assert_eq!(result, Err(Failed(Retry::Backoff)));
        assert!(start.elapsed() <= TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_beyond_the_deadline_is_not_waited_for() {
        let start = Instant::now();
        let retry = Retry::After(Duration::from_hours(1));
        let result: Result<(), _> =
            retry_until_deadline("an operation", TIMEOUT, async || Err(Failed(retry))).await;
        assert_eq!(result, Err(Failed(retry)));
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_failure_is_not_retried() {
        let mut calls = 0;
        let result: Result<(), _> = retry_until_deadline("an operation", TIMEOUT, async || {
            calls += 1;
            Err(Failed(Retry::Never))
        })
        .await;
        assert!(result.is_err());
        assert_eq!(calls, 1);
    }
}
