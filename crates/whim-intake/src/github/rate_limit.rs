//! GitHub's limits on the rate of calls:
//! <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

/// GitHub's recommendation for a limit without a reset time.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// The longest limit lasts an hour; a minute is added for the difference between the clocks.
const MAX_WAIT: Duration = Duration::from_secs(3660);
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

/// The time to wait, if a response reports a rate limit.
pub(super) fn requested_wait(status: StatusCode, headers: &HeaderMap, body: &str) -> Option<Duration> {
    if status != StatusCode::FORBIDDEN && status != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let number = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.trim().parse::<u64>().ok())
    };
    let exhausted = number("x-ratelimit-remaining") == Some(0);
    let wait = match (number(RETRY_AFTER.as_str()), number("x-ratelimit-reset")) {
        (Some(seconds), _) => Duration::from_secs(seconds),
        (None, Some(reset)) if exhausted => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Duration::from_secs(reset).saturating_sub(now)
        }
        (None, _) if status == StatusCode::TOO_MANY_REQUESTS || body.contains("rate limit") => DEFAULT_WAIT,
        (None, _) => return None,
    };
    // A second more, because the clocks differ.
    Some(wait.saturating_add(Duration::from_secs(1)).min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn the_wait_is_the_one_that_github_requests() {
        let limit = |status, pairs: &[(&'static str, &'static str)], body| {
            let headers = pairs
                .iter()
                .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            requested_wait(status, &HeaderMap::from_iter(headers), body).map(|wait| wait.as_secs())
        };
        let (forbidden, too_many) = (StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(limit(too_many, &[("retry-after", "30")], ""), Some(31));
        assert_eq!(limit(forbidden, &[("retry-after", "30")], ""), Some(31));
        let over = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")];
        assert_eq!(limit(forbidden, &over, ""), Some(1));
        assert_eq!(limit(too_many, &[], ""), Some(61));
        assert_eq!(
            limit(forbidden, &[], "You have exceeded a secondary rate limit"),
            Some(61)
        );
        assert_eq!(
            limit(too_many, &[("retry-after", "18446744073709551615")], ""),
            Some(3660)
        );
        assert_eq!(limit(forbidden, &[("x-ratelimit-remaining", "12")], ""), None);
        assert_eq!(limit(StatusCode::NOT_FOUND, &[("retry-after", "30")], ""), None);
    }

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
