use std::cell::Cell;
use std::num::NonZeroUsize;
use std::time::Duration;

use whim_service::backoff::{Backoff, retry};
use whim_service::chain::chain;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
#[error("attempt {0}")]
struct Failed(u32);

#[test]
fn delays_double_up_to_the_longest_and_are_jittered() {
    let delays: Vec<Duration> = Backoff::new(FIRST, LONGEST).delays().take(50).collect();
    for (index, delay) in delays.iter().enumerate() {
        let nominal = FIRST.saturating_mul(1 << index.min(10)).min(LONGEST);
        assert!(
            *delay >= nominal && *delay <= nominal * 2,
            "delay {index} is {delay:?}"
        );
    }
    assert_ne!(delays[10..30], delays[30..50], "fifty delays without jitter");
}

#[test]
fn delays_end_after_the_given_number_of_retries() {
    let backoff = Backoff::new(FIRST, LONGEST).with_retries(NonZeroUsize::new(3).unwrap());
    assert_eq!(backoff.delays().count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_repeated_until_it_succeeds() {
    let attempts = Cell::new(0);
    let outcome = retry(
        "asking",
        Backoff::new(FIRST, LONGEST),
        |_: &Failed| true,
        || async {
            attempts.set(attempts.get() + 1);
            if attempts.get() < 4 {
                Err(Failed(attempts.get()))
            } else {
                Ok("answer")
            }
        },
    );
    assert_eq!(outcome.await.unwrap(), "answer");
    assert_eq!(attempts.get(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_not_worth_a_retry_is_the_answer() {
    let attempts = Cell::new(0);
    let outcome = retry(
        "asking",
        Backoff::new(FIRST, LONGEST),
        |error: &Failed| error.0 < 2,
        || async {
            attempts.set(attempts.get() + 1);
            Err::<(), _>(Failed(attempts.get()))
        },
    );
    assert_eq!(outcome.await.unwrap_err().to_string(), "attempt 2");
}

#[test]
fn a_chain_shows_every_cause_once_on_one_line() {
    #[derive(Debug, thiserror::Error)]
    #[error("reading the settings")]
    struct Outer(#[source] Middle);
    #[derive(Debug, thiserror::Error)]
    #[error("opening a file")]
    struct Middle(#[source] Failed);

    assert_eq!(
        chain(&Outer(Middle(Failed(7)))).to_string(),
        "reading the settings: opening a file: attempt 7"
    );
}
