//! When circuit breakers open, and when they are probed.

use std::time::Duration;

use whim_service::environment::{Environment, seconds, whole_number};

use super::values::{DAY, SHORTEST, hours};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakersConfig {
    /// `BREAKER_THRESHOLD`: consecutive failures before a breaker opens.
    pub threshold: u32,
    /// `BREAKER_PROBE_DELAY_SECONDS`: initial delay before a probe; doubles after each failed one.
    pub probe_delay: Duration,
    /// `BREAKER_MAX_PROBE_DELAY_SECONDS`: also the delay after refused credentials.
    pub max_probe_delay: Duration,
    /// `RATE_LIMIT_MAX_WAIT_HOURS`: longest reset time that is honoured.
    pub max_wait: Duration,
    /// `RATE_LIMIT_JITTER_SECONDS`: maximum random delay after a reset time; also the time over which deferred items
    /// come back.
    pub jitter: Duration,
}

impl BreakersConfig {
    pub(super) fn read(env: &mut Environment) -> Self {
        let probe = || seconds(SHORTEST..=DAY);
        let config = Self {
            threshold: env.or_default("BREAKER_THRESHOLD", 5, whole_number(2..=1000)),
            probe_delay: env.or_default("BREAKER_PROBE_DELAY_SECONDS", Duration::from_secs(30), probe()),
            max_probe_delay: env.or_default(
                "BREAKER_MAX_PROBE_DELAY_SECONDS",
                Duration::from_mins(30),
                probe(),
            ),
            max_wait: env.or_default("RATE_LIMIT_MAX_WAIT_HOURS", 7 * DAY, hours()),
            jitter: env.or_default(
                "RATE_LIMIT_JITTER_SECONDS",
                Duration::from_mins(1),
                seconds(Duration::ZERO..=DAY),
            ),
        };
        if config.probe_delay > config.max_probe_delay {
            let max = config.max_probe_delay.as_secs_f64();
            env.refuse(
                "BREAKER_PROBE_DELAY_SECONDS",
                &format!("expected at most BREAKER_MAX_PROBE_DELAY_SECONDS, which is {max} seconds"),
            );
        }
        config
    }
}
