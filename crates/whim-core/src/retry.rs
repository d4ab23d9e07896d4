//! Whether and when a failed item is tried again.

use std::time::Duration;

use crate::FailureCause;

/// What happens to an item after a failed attempt (docs/decisions/0008-retries-by-cause.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryRule {
    /// Retry until the retries of this cause are used up.
    UpToLimit,
    /// Retry once, however many retries other causes used.
    Once,
    /// Another attempt would end the same way.
    Never,
    /// Not caused by the item: it waits, and no retry is spent.
    WaitWithoutSpending,
}

impl FailureCause {
    pub fn retry_rule(self) -> RetryRule {
        match self {
            Self::Crash
            | Self::Lost
            | Self::Killed
            | Self::Resources
            | Self::BranchMoved
            | Self::RepositoryDamaged
            | Self::CloneTimedOut => RetryRule::UpToLimit,
            Self::Stuck | Self::TestsFailed => RetryRule::Once,
            Self::IterationsUsedUp
            | Self::PushRefused
            | Self::PullRequestRefused
            | Self::WorkspaceUnusable
            | Self::ToolMissing
            | Self::SpecUnusable => RetryRule::Never,
            Self::RuntimeUnavailable
            | Self::ImageUnavailable
            | Self::RegistryUnavailable
            | Self::GitHubUnavailable
            | Self::ModelUnavailable
            | Self::ModelLimited
            | Self::ModelRefused
            | Self::GitHubRefused
            | Self::DiskFull => RetryRule::WaitWithoutSpending,
        }
    }

    /// Whether the item itself may be the reason although the rule is [`RetryRule::WaitWithoutSpending`]: a repository
    /// that is larger than the disk, or a request that the model API answers with an error each time. A rejected
    /// credential or a missing image never is.
    pub fn may_concern_one_item(self) -> bool {
        matches!(
            self,
            Self::RuntimeUnavailable
                | Self::GitHubUnavailable
                | Self::ModelUnavailable
                | Self::ModelLimited
                | Self::DiskFull
                | Self::RegistryUnavailable
        )
    }
}

/// The delays before the first, second, … retry of a failure cause. Their number is the limit of retries
/// (`RETRY_DELAYS_SECONDS`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySchedule {
    delays: Vec<Duration>,
}

/// What follows for an item after an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    /// Back to the queue.
    After {
        delay: Duration,
        /// Whether this counts as a retry of the cause.
        spends_retry: bool,
    },
    /// The item has failed.
    GiveUp,
}

impl Default for RetrySchedule {
    /// 1, 5 and 30 minutes.
    fn default() -> Self {
        Self::new([60, 300, 1800].map(Duration::from_secs))
    }
}

impl RetrySchedule {
    pub fn new(delays: impl IntoIterator<Item = Duration>) -> Self {
        Self {
            delays: delays.into_iter().collect(),
        }
    }

    /// Limit of retries for each failure cause.
    pub fn max_retries(&self) -> usize {
        self.delays.len()
    }

    /// Decides what follows after an attempt failed for a cause with this rule, which has spent `retries_spent` retries of
    /// the item before. Retries of other causes do not count.
    ///
    /// `jitter` from 0 to 1 spreads the delay over half to one and a half times its length, so that items that failed
    /// together are not tried together (`docs/faults.md`, row 39).
    pub fn decide(&self, rule: RetryRule, retries_spent: usize, jitter: f64) -> RetryDecision {
        let jittered = |delay: Duration| delay.mul_f64(0.5 + jitter.clamp(0.0, 1.0));
        match rule {
            RetryRule::Never => RetryDecision::GiveUp,
            RetryRule::WaitWithoutSpending => RetryDecision::After {
                delay: jittered(self.delays.first().copied().unwrap_or(Duration::from_secs(60))),
                spends_retry: false,
            },
            RetryRule::Once if retries_spent >= 1 => RetryDecision::GiveUp,
            RetryRule::Once | RetryRule::UpToLimit => match self.delays.get(retries_spent) {
                Some(delay) => RetryDecision::After {
                    delay: jittered(*delay),
                    spends_retry: true,
                },
                None => RetryDecision::GiveUp,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_JITTER: f64 = 0.5;

    fn after(seconds: u64, spends_retry: bool) -> RetryDecision {
        RetryDecision::After {
            delay: Duration::from_secs(seconds),
            spends_retry,
        }
    }

    #[test]
    fn a_crash_is_retried_after_one_five_and_thirty_minutes_then_never() {
        let schedule = RetrySchedule::default();
        let decisions: Vec<_> = (0..4)
            .map(|spent| schedule.decide(RetryRule::UpToLimit, spent, NO_JITTER))
            .collect();
        assert_eq!(
            decisions,
            [
                after(60, true),
                after(300, true),
                after(1800, true),
                RetryDecision::GiveUp
            ]
        );
    }

    #[test]
    fn red_tests_and_a_stuck_agent_are_retried_once() {
        let schedule = RetrySchedule::default();
        for cause in [FailureCause::TestsFailed, FailureCause::Stuck] {
            assert_eq!(schedule.decide(cause.retry_rule(), 0, NO_JITTER), after(60, true));
            assert_eq!(
                schedule.decide(cause.retry_rule(), 1, NO_JITTER),
                RetryDecision::GiveUp
            );
        }
    }

    #[test]
    fn failures_that_are_not_the_items_fault_spend_nothing() {
        let schedule = RetrySchedule::default();
        assert_eq!(
            schedule.decide(RetryRule::WaitWithoutSpending, 3, NO_JITTER),
            after(60, false)
        );
    }

    #[test]
    fn jitter_stays_within_half_and_one_and_a_half_times_the_delay() {
        let schedule = RetrySchedule::default();
        assert_eq!(schedule.decide(RetryRule::UpToLimit, 0, 0.0), after(30, true));
        assert_eq!(schedule.decide(RetryRule::UpToLimit, 0, 1.0), after(90, true));
    }

    #[test]
    fn an_empty_schedule_means_no_retries() {
        assert_eq!(
            RetrySchedule::new([]).decide(RetryRule::UpToLimit, 0, NO_JITTER),
            RetryDecision::GiveUp
        );
    }
}
