//! Holds back calls while GitHub limits their rate.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

/// While calls are blocked, this is logged again at this interval.
const LOG_INTERVAL: Duration = Duration::from_secs(600);

/// Blocks all calls until the reset time: GitHub bans clients that keep calling.
///
/// It logs a limit once for all repositories, because the token is the same: when it begins, rarely while it lasts, and
/// when it has ended.
#[derive(Debug, Default)]
pub(super) struct RateLimit {
    block: RwLock<Option<Block>>,
}

#[derive(Debug)]
struct Block {
    until: Instant,
    blocked_calls: u64,
    logged_at: Instant,
}

impl RateLimit {
    /// The remaining time if calls are blocked now. Counts the call that asks.
    pub(super) fn blocks(&self) -> Option<Duration> {
        let mut current = self.block.write().unwrap_or_else(PoisonError::into_inner);
        let block = current.as_mut()?;
        let now = Instant::now();
        let remaining = block.until.saturating_duration_since(now);
        if remaining.is_zero() {
            let blocked_calls = block.blocked_calls;
            tracing::info!(
                blocked_calls,
                "GitHub's rate limit has reset: calls are sent again"
            );
            *current = None;
            return None;
        }
        block.blocked_calls += 1;
        if now.saturating_duration_since(block.logged_at) >= LOG_INTERVAL {
            block.logged_at = now;
            block.warn(now);
        }
        Some(remaining)
    }

    /// Blocks calls for at least this time from now. Concurrent calls may report the same limit in any order.
    pub(super) fn extend(&self, wait: Duration) {
        let now = Instant::now();
        let until = now + wait;
        let mut current = self.block.write().unwrap_or_else(PoisonError::into_inner);
        match current.as_mut() {
            Some(block) => block.until = block.until.max(until),
            None => {
                let block = current.insert(Block {
                    until,
                    blocked_calls: 0,
                    logged_at: now,
                });
                block.warn(now);
            }
        }
    }
}

impl Block {
    fn warn(&self, now: Instant) {
        let wait_seconds = self.until.saturating_duration_since(now).as_secs();
        tracing::warn!(
            wait_seconds,
            blocked_calls = self.blocked_calls,
            "GitHub limits the rate of calls: no repository is polled until the limit resets"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_shorter_limit_does_not_end_a_longer_one() {
        let limit = RateLimit::default();
        assert_eq!(limit.blocks(), None);
        limit.extend(Duration::from_secs(60));
        limit.extend(Duration::from_secs(1));
        assert_eq!(limit.blocks(), Some(Duration::from_secs(60)));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(limit.blocks(), None);
    }
}
