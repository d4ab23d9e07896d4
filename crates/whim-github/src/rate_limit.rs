//! GitHub's limits on the rate of calls:
//! <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

/// GitHub's recommendation for a limit without a reset time.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// The longest limit lasts an hour; a minute is added for the difference between the clocks.
pub const MAX_WAIT: Duration = Duration::from_secs(3660);

/// Sentences of a limit that comes without a header, in lower case. A 403 without them is a missing permission.
const LIMITED: [&str; 4] = [
    "secondary rate limit",
    "rate limit exceeded",
    "abuse detection mechanism",
    // 422: content is created too fast.
    "submitted too quickly",
];

/// The time to wait, if a response reports a rate limit. At most [`MAX_WAIT`].
pub fn requested_wait(status: StatusCode, headers: &HeaderMap, body: &str) -> Option<Duration> {
    let says_limited = || {
        let body = body.to_lowercase();
        LIMITED.iter().any(|words| body.contains(words))
    };
    let wait = match status {
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => match wait_of_headers(headers) {
            Some(wait) => wait,
            None if status == StatusCode::TOO_MANY_REQUESTS || says_limited() => DEFAULT_WAIT,
            None => return None,
        },
        StatusCode::UNPROCESSABLE_ENTITY if says_limited() => {
            wait_of_headers(headers).unwrap_or(DEFAULT_WAIT)
        }
        _ => return None,
    };
    // A second more, because the clocks differ.
    Some(wait.saturating_add(Duration::from_secs(1)).min(MAX_WAIT))
}

fn wait_of_headers(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| {
        let text = headers.get(name)?.to_str().ok()?;
        text.trim().parse::<u64>().ok()
    };
    if let Some(seconds) = number(RETRY_AFTER.as_str()) {
        return Some(Duration::from_secs(seconds));
    }
    if number("x-ratelimit-remaining") != Some(0) {
        return None;
    }
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Some(Duration::from_secs(number("x-ratelimit-reset")?).saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    /// In seconds.
    fn wait(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Option<u64> {
        let headers = headers
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let status = StatusCode::from_u16(status).unwrap();
        requested_wait(status, &HeaderMap::from_iter(headers), body).map(|wait| wait.as_secs())
    }

    #[test]
    fn the_wait_is_the_one_that_github_requests() {
        let used_up = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")];
        for (status, headers, expected) in [
            (429, &[("retry-after", "30")][..], Some(31)),
            (403, &[("retry-after", "30")], Some(31)),
            (403, &used_up, Some(1)),
            (429, &[], Some(61)),
            (429, &[("retry-after", "18446744073709551615")], Some(3660)),
            (429, &[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")], Some(61)),
            (403, &[("x-ratelimit-remaining", "12")], None),
            (403, &[("x-ratelimit-remaining", "0")], None),
            (404, &[("retry-after", "30")], None),
            (200, &used_up, None),
        ] {
            assert_eq!(wait(status, headers, "{}"), expected, "{status} {headers:?}");
        }
    }

    /// The sentences are those of GitHub's documentation ("Rate limits for the REST API", "Troubleshooting the REST API")
    /// and of answers that users of its API report.
    #[test]
    fn a_limit_is_recognised_by_its_words_and_a_missing_permission_is_none() {
        let left = [("x-ratelimit-remaining", "4999")];
        for (status, body, expected) in [
            (
                403,
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
                Some(61),
            ),
            (
                403,
                "You have exceeded a secondary rate limit and have been temporarily blocked from content creation.",
                Some(61),
            ),
            (
                403,
                "You have triggered an abuse detection mechanism. Please wait a few minutes before you try again.",
                Some(61),
            ),
            (403, "API rate limit exceeded for user ID 1.", Some(61)),
            (422, "was submitted too quickly", Some(61)),
            (403, "Resource not accessible by personal access token", None),
            (422, "No commits between main and x", None),
            (404, "You have exceeded a secondary rate limit", None),
        ] {
            assert_eq!(wait(status, &left, body), expected, "{status} {body}");
        }
    }

    proptest! {
        #[test]
        fn no_response_asks_to_wait_forever(status in 100_u16..600, seconds in any::<u64>(), body in ".{0,40}") {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", HeaderValue::from(seconds));
            let status = StatusCode::from_u16(status).unwrap();
            if let Some(wait) = requested_wait(status, &headers, &body) {
                prop_assert!(wait <= MAX_WAIT);
            }
        }
    }
}
