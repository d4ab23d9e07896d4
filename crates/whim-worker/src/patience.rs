//! Waiting for something outside that is away, for a bounded time.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// What to do about a failed call.
pub(crate) trait Temporary {
    /// Whether the same call may well succeed later, and how long to wait where that is known.
    fn retry(&self) -> Retry;
}

/// Whether the same call may well succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Not without somebody changing something.
    Pointless,
    /// Soon.
    Soon,
    /// After so long.
    After(Duration),
}

/// Repeats `call` while its error is temporary, with growing delays, for about `patience`.
pub(crate) async fn patiently<T, E: Temporary>(
    what: &str,
    patience: Duration,
    mut call: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E> {
    const LONGEST_DELAY: Duration = Duration::from_secs(15);
    let deadline = Instant::now() + patience;
    let mut delay = (patience / 50).min(Duration::from_secs(1));
    loop {
        let error = match call().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let wait = match error.retry() {
            Retry::Pointless => return Err(error),
            Retry::Soon => delay,
            Retry::After(wait) => wait,
        };
        if Instant::now() + wait >= deadline {
            return Err(error);
        }
        tracing::warn!(delay_ms = wait.as_millis(), "{what} failed and is tried again");
        sleep(wait).await;
        delay = (delay * 2).min(LONGEST_DELAY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Trouble(Retry);

    impl Temporary for Trouble {
        fn retry(&self) -> Retry {
            self.0
        }
    }

    #[tokio::test(start_paused = true)]
    async fn temporary_trouble_is_waited_for() {
        let mut calls = 0;
        let result = patiently("a call", Duration::from_mins(1), async || {
            calls += 1;
            if calls < 4 {
                Err(Trouble(Retry::Soon))
            } else {
                Ok(calls)
            }
        });
        assert_eq!(result.await, Ok(4));
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let begin = Instant::now();
        let result: Result<(), _> = patiently("a call", Duration::from_mins(1), async || {
            Err(Trouble(Retry::Soon))
        })
        .await;
        assert_eq!(result, Err(Trouble(Retry::Soon)));
        assert!(begin.elapsed() <= Duration::from_mins(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_beyond_the_patience_is_not_begun() {
        let begin = Instant::now();
        let wait = Retry::After(Duration::from_hours(1));
        let result: Result<(), _> =
            patiently("a call", Duration::from_mins(1), async || Err(Trouble(wait))).await;
        assert_eq!(result, Err(Trouble(wait)));
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_would_fail_again_is_not_repeated() {
        let mut calls = 0;
        let result: Result<(), _> = patiently("a call", Duration::from_mins(1), async || {
            calls += 1;
            Err(Trouble(Retry::Pointless))
        })
        .await;
        assert!(result.is_err());
        assert_eq!(calls, 1);
    }
}
