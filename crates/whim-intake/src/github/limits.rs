//! GitHub's limits on the rate of calls:
//! <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

/// What GitHub asks for when it limits without saying how long.
const UNSPECIFIED_WAIT: Duration = Duration::from_secs(60);
/// The longest limit is an hour's; with some of the difference between GitHub's clock and ours.
const LONGEST_WAIT: Duration = Duration::from_secs(3660);

/// Holds back every call until a limit is over: GitHub bans clients that go on calling.
#[derive(Debug, Default)]
pub(super) struct Pause {
    until: RwLock<Option<Instant>>,
}

impl Pause {
    /// How long it still lasts; `None` when nothing is held back.
    pub(super) fn left(&self) -> Option<Duration> {
        let until = *self.until.read().unwrap_or_else(PoisonError::into_inner);
        let left = until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Makes it last so long from now at least: answers to calls that were under way together come in any order.
    pub(super) fn extend(&self, wait: Duration) {
        let asked = Some(Instant::now() + wait);
        let mut until = self.until.write().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(asked);
    }
}

/// How long to wait, when an answer says that the rate of calls is limited.
pub(super) fn wait_asked_for(status: StatusCode, headers: &HeaderMap, body: &str) -> Option<Duration> {
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
        (None, _) if status == StatusCode::TOO_MANY_REQUESTS || body.contains("rate limit") => {
            UNSPECIFIED_WAIT
        }
        (None, _) => return None,
    };
    // A second on top, because GitHub's clock and ours differ.
    Some(wait.saturating_add(Duration::from_secs(1)).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_limit_lasts_as_long_as_github_says() {
        let limit = |status, pairs: &[(&'static str, &'static str)], body| {
            let headers = pairs
                .iter()
                .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            wait_asked_for(status, &HeaderMap::from_iter(headers), body).map(|wait| wait.as_secs())
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
        let pause = Pause::default();
        assert_eq!(pause.left(), None);
        pause.extend(Duration::from_secs(60));
        pause.extend(Duration::from_secs(1));
        assert_eq!(pause.left(), Some(Duration::from_secs(60)));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(pause.left(), None);
    }
}
