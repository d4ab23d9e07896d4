use std::time::Duration;

use whim_service::backoff::{self, BackoffBuilder as _};
use whim_service::chain::chain;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
#[error("attempt {0}")]
struct Failed(u32);

#[test]
fn delays_double_up_to_the_longest_and_are_jittered() {
    let delays: Vec<Duration> = backoff::exponential(FIRST, LONGEST).build().take(50).collect();
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
