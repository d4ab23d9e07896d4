//! The hourly limit and its headers.

use std::collections::HashMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

/// Requests per hour with a token.
const AUTHENTICATED_LIMIT: u32 = 5_000;

/// Requests per hour without one.
const ANONYMOUS_LIMIT: u32 = 60;

/// Requests of each caller in the current hour. The key is the token; `None` without one.
pub(super) struct RateLimits {
    limit: u32,
    windows: HashMap<Option<String>, Window>,
}

#[derive(Clone, Copy)]
struct Window {
    used: u32,
    resets_at: DateTime<Utc>,
}

/// The rate limit of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) limit: u32,
    pub(super) used: u32,
    pub(super) resets_at: DateTime<Utc>,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            limit: AUTHENTICATED_LIMIT,
            windows: HashMap::new(),
        }
    }
}

impl RateLimits {
    /// Sets the number of requests per hour and token, and starts a new hour for all tokens.
    pub(super) fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
        self.windows.clear();
    }

    pub(super) fn standing(&mut self, token: Option<&str>, now: DateTime<Utc>) -> Standing {
        let limit = if token.is_some() {
            self.limit
        } else {
            ANONYMOUS_LIMIT
        };
        let window = self.window(token, now);
        Standing {
            limit,
            used: window.used,
            resets_at: window.resets_at,
        }
    }

    /// Counts one request.
    pub(super) fn count(&mut self, token: Option<&str>, now: DateTime<Utc>) {
        self.window(token, now).used += 1;
    }

    fn window(&mut self, token: Option<&str>, now: DateTime<Utc>) -> &mut Window {
        let new = Window {
            used: 0,
            resets_at: now + TimeDelta::hours(1),
        };
        let window = self.windows.entry(token.map(str::to_owned)).or_insert(new);
        if window.resets_at <= now {
            *window = new;
        }
        window
    }
}

impl Standing {
    pub(super) fn is_exhausted(self) -> bool {
        self.limit <= self.used
    }

    fn remaining(self) -> u32 {
        self.limit.saturating_sub(self.used)
    }

    /// Adds GitHub's headers; a header that a fault set is kept.
    pub(super) fn write_to(self, headers: &mut HeaderMap) {
        let values = [
            ("x-ratelimit-limit", i64::from(self.limit)),
            ("x-ratelimit-remaining", i64::from(self.remaining())),
            ("x-ratelimit-used", i64::from(self.used)),
            ("x-ratelimit-reset", self.resets_at.timestamp()),
        ];
        for (name, value) in values {
            headers
                .entry(HeaderName::from_static(name))
                .or_insert_with(|| HeaderValue::from(value));
        }
        headers
            .entry(HeaderName::from_static("x-ratelimit-resource"))
            .or_insert(HeaderValue::from_static("core"));
    }

    /// The response of `GET /rate_limit`.
    pub(super) fn overview(self) -> Value {
        let core = json!({
            "limit": self.limit, "remaining": self.remaining(),
            "used": self.used, "reset": self.resets_at.timestamp(),
        });
        json!({ "resources": { "core": core, "search": core }, "rate": core })
    }
}
