//! When an open breaker is probed.

use std::time::Duration;

use whim_core::FailureCause;
use whim_core::protocol::status::BreakerSubject;

use crate::config::BreakersConfig;

/// A runtime is local, so it can be probed more often than the services outside: first and longest delay.
const RUNTIME_PROBES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Delay before the next probe: doubled after each failure, with full jitter above a tenth, so that subjects which
/// failed together are not probed together (docs/faults.md, row 39).
pub(super) fn probe_delay(
    config: &BreakersConfig,
    subject: BreakerSubject,
    cause: FailureCause,
    failures: u32,
    jitter: f64,
) -> Duration {
    let (first, longest) = match subject {
        BreakerSubject::Runtime => RUNTIME_PROBES,
        BreakerSubject::Model | BreakerSubject::GitHub | BreakerSubject::Repository => {
            (config.probe_delay, config.max_probe_delay)
        }
    };
    if cause.operator_action_required() {
        return longest;
    }
    let doubled = first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(longest).mul_f64(0.1 + 0.9 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: BreakersConfig = BreakersConfig {
        threshold: 3,
        probe_delay: Duration::from_secs(30),
        max_probe_delay: Duration::from_mins(30),
        max_wait: Duration::from_hours(168),
        jitter: Duration::from_mins(1),
    };

    fn model(cause: FailureCause, failures: u32, jitter: f64) -> Duration {
        probe_delay(&CONFIG, BreakerSubject::Model, cause, failures, jitter)
    }

    #[test]
    fn the_probe_delay_doubles_with_each_failure_and_is_jittered() {
        let longest: Vec<u64> = [1, 2, 3, 7, 40]
            .map(|failures| model(FailureCause::ModelUnavailable, failures, 1.0).as_secs())
            .to_vec();
        assert_eq!(longest, [30, 60, 120, 1800, 1800]);
        assert_eq!(
            model(FailureCause::ModelUnavailable, 3, 0.0),
            Duration::from_secs(12)
        );
    }

    #[test]
    fn refused_credentials_are_probed_at_the_longest_delay() {
        assert_eq!(model(FailureCause::ModelRefused, 1, 0.0), Duration::from_mins(30));
    }
}
