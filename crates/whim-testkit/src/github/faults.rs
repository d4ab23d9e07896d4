//! The faults of GitHub.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::error_response::{error_body, rate_limit_message, secondary_limit_message};
use crate::fault;

/// The HTML page of GitHub's front end when its backend is unavailable.
const FRONT_END_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Unicorn! &middot; GitHub</title></head>\n\
    <body><p>We're having a really bad day.</p></body></html>\n";

/// A fault of GitHub. Git is reached at paths such as `/{owner}/{repo}.git/git-receive-pack`.
pub type Fault = fault::Fault<Effect>;

/// The faults that wait for a request of GitHub's clients.
pub type Faults = fault::Faults<Effect>;

/// What a fault does to a request.
#[derive(Clone, Debug, Default)]
pub enum Effect {
    /// Only the delay.
    #[default]
    Pass,
    /// The request is not processed; this is the response.
    Answer(Prepared),
    /// The connection is cut before anything is done.
    CutBefore,
    /// The request takes effect, and the connection is cut before the response.
    CutAfter,
}

impl fault::Effect for Effect {
    fn is_processed(&self) -> bool {
        match self {
            Self::Pass | Self::CutAfter => true,
            Self::Answer(_) | Self::CutBefore => false,
        }
    }
}

/// The response of a fault.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    /// The time for which the hourly limit is reported as exhausted.
    exhausted_for: Option<Duration>,
}

impl Fault {
    /// Responds with this status and JSON body.
    #[must_use]
    pub fn answer(self, status: StatusCode, body: &Value) -> Self {
        self.prepared(status, body.to_string(), "application/json; charset=utf-8")
    }

    /// Adds a header to the response of [`Self::answer`]. An invalid one is left out.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let (Effect::Answer(prepared), Ok(value)) = (&mut self.effect, HeaderValue::from_str(value)) {
            prepared.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// Responds like a failing GitHub: JSON with 500, an HTML page of its front end with other statuses.
    #[must_use]
    pub fn server_error(self, status: StatusCode) -> Self {
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            self.answer(status, &error_body(status, "Server Error"))
        } else {
            self.prepared(status, FRONT_END_PAGE.to_owned(), "text/html; charset=utf-8")
        }
    }

    /// Refuses with 422 and this message of a pull request's own rules.
    #[must_use]
    pub fn validation_failed(self, message: &str) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let mut body = error_body(status, "Validation Failed");
        body["errors"] = json!([{ "resource": "PullRequest", "code": "custom", "message": message }]);
        self.answer(status, &body)
    }

    /// The hourly limit is exhausted and resets after this time: 403, `X-RateLimit-Remaining: 0` and
    /// `X-RateLimit-Reset`.
    #[must_use]
    pub fn rate_limited(self, resets_after: Duration) -> Self {
        let status = StatusCode::FORBIDDEN;
        let mut fault = self.answer(status, &error_body(status, rate_limit_message()));
        if let Effect::Answer(prepared) = &mut fault.effect {
            prepared.exhausted_for = Some(resets_after);
        }
        fault
    }

    /// The secondary limit is exhausted: 403 with `Retry-After` in whole seconds.
    #[must_use]
    pub fn secondary_limit(self, retry_after: Duration) -> Self {
        self.retry_after(StatusCode::FORBIDDEN, retry_after)
    }

    /// The secondary limit in its other form: 429 with `Retry-After` in whole seconds.
    #[must_use]
    pub fn too_many_requests(self, retry_after: Duration) -> Self {
        self.retry_after(StatusCode::TOO_MANY_REQUESTS, retry_after)
    }

    /// Cuts the connection before anything is done.
    #[must_use]
    pub fn cut_before(self) -> Self {
        self.with_effect(Effect::CutBefore)
    }

    /// Lets the request take effect, then cuts the connection before the response.
    #[must_use]
    pub fn cut_after(self) -> Self {
        self.with_effect(Effect::CutAfter)
    }

    fn retry_after(self, status: StatusCode, delay: Duration) -> Self {
        let mut fault = self.answer(status, &error_body(status, secondary_limit_message()));
        if let Effect::Answer(prepared) = &mut fault.effect {
            prepared
                .headers
                .insert(RETRY_AFTER, HeaderValue::from(delay.as_secs()));
        }
        fault
    }

    fn prepared(self, status: StatusCode, body: String, content_type: &'static str) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        self.with_effect(Effect::Answer(Prepared {
            status,
            headers,
            body,
            exhausted_for: None,
        }))
    }
}

impl Prepared {
    /// The headers of the answer as of now.
    pub(super) fn headers_at(&self, now: DateTime<Utc>) -> HeaderMap {
        let mut headers = self.headers.clone();
        if let Some(wait) = self.exhausted_for {
            let seconds = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
            let reset = now.timestamp().saturating_add(seconds);
            headers.insert(
                HeaderName::from_static("x-ratelimit-remaining"),
                HeaderValue::from(0),
            );
            headers.insert(
                HeaderName::from_static("x-ratelimit-reset"),
                HeaderValue::from(reset),
            );
        }
        headers
    }
}
