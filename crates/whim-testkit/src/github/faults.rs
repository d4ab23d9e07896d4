//! Injected faults: a queue, each for the requests of one method and path.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use chrono::{DateTime, Utc};
use regex::Regex;
use serde_json::{Value, json};

use super::error_response::{error_body, rate_limit_message, secondary_limit_message};
use crate::path_template;

/// The HTML page of GitHub's front end when its backend is unavailable.
const FRONT_END_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Unicorn! &middot; GitHub</title></head>\n\
    <body><p>We're having a really bad day.</p></body></html>\n";

/// A fault of one request, or of several with [`Fault::times`] or [`Fault::always`].
///
/// A fault has no effect until one is set, for example with [`Fault::answer`].
#[derive(Clone, Debug)]
pub struct Fault {
    method: Method,
    path: Regex,
    body_text: Option<String>,
    skip: u32,
    /// Remaining number of requests; `None` applies to all.
    left: Option<u32>,
    delay: Duration,
    effect: Effect,
}

/// The effect of a fault.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    /// Only the delay.
    Pass,
    /// The request is not processed; this is the response.
    Answer(Prepared),
    /// The connection is cut before anything is done.
    CutBefore,
    /// The request takes effect, and the connection is cut before the response.
    CutAfter,
}

/// The response of a fault.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    /// The time for which the hourly limit is reported as exhausted.
    exhausted_for: Option<Duration>,
}

/// The delay of a request, and the effect after it.
pub(super) struct Strike {
    pub(super) delay: Duration,
    pub(super) effect: Effect,
}

impl Fault {
    /// A fault for requests with this method on a path such as `/repos/{owner}/{repo}/pulls`. A name in braces
    /// stands for one segment or a part of it, `{*rest}` for any number of them. Git is reached the same way:
    /// `/{owner}/{repo}.git/git-receive-pack`.
    ///
    /// # Panics
    /// The path is not such a pattern.
    #[must_use]
    #[track_caller]
    pub fn on(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path_template::compile(path),
            body_text: None,
            skip: 0,
            left: Some(1),
            delay: Duration::ZERO,
            effect: Effect::Pass,
        }
    }

    /// Applies only to requests whose body contains this text.
    #[must_use]
    pub fn when_body_contains(mut self, text: impl Into<String>) -> Self {
        self.body_text = Some(text.into());
        self
    }

    /// Skips the first matching requests.
    #[must_use]
    pub fn after(mut self, unharmed: u32) -> Self {
        self.skip = unharmed;
        self
    }

    /// Applies to this many requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.left = Some(times);
        self
    }

    /// Applies to all matching requests.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.left = None;
        self
    }

    /// Delays the request before it is processed.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Responds with this status and JSON body.
    #[must_use]
    pub fn answer(self, status: StatusCode, body: &Value) -> Self {
        self.prepared(status, body.to_string(), "application/json; charset=utf-8")
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
    pub fn cut_before(mut self) -> Self {
        self.effect = Effect::CutBefore;
        self
    }

    /// Lets the request take effect, then cuts the connection before the response.
    #[must_use]
    pub fn cut_after(mut self) -> Self {
        self.effect = Effect::CutAfter;
        self
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

    fn prepared(mut self, status: StatusCode, body: String, content_type: &'static str) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        self.effect = Effect::Answer(Prepared {
            status,
            headers,
            body,
            exhausted_for: None,
        });
        self
    }

    fn fits(&self, method: &Method, path: &str, body: &[u8]) -> bool {
        let body_fits = |text: &String| {
            body.windows(text.len().max(1))
                .any(|window| window == text.as_bytes())
        };
        self.method == *method && self.path.is_match(path) && self.body_text.as_ref().is_none_or(body_fits)
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

/// The pending faults, in the order in which they were pushed.
#[derive(Debug, Default)]
pub struct Faults {
    waiting: RwLock<Vec<Fault>>,
}

impl Faults {
    /// Appends a fault.
    pub fn push(&self, fault: Fault) {
        self.waiting
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(fault);
    }

    /// Removes all faults.
    pub fn clear(&self) {
        self.waiting
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// The number of faults with remaining requests, permanent ones excluded.
    #[must_use]
    pub fn pending(&self) -> usize {
        let waiting = self.waiting.read().unwrap_or_else(PoisonError::into_inner);
        waiting.iter().filter(|fault| fault.left.is_some()).count()
    }

    /// Applies the first fault that matches a request.
    pub(super) fn strike(&self, method: &Method, path: &str, body: &[u8]) -> Option<Strike> {
        let mut waiting = self.waiting.write().unwrap_or_else(PoisonError::into_inner);
        let index = waiting.iter().position(|fault| fault.fits(method, path, body))?;
        let fault = &mut waiting[index];
        if 0 < fault.skip {
            fault.skip -= 1;
            return None;
        }
        let strike = Strike {
            delay: fault.delay,
            effect: fault.effect.clone(),
        };
        fault.left = fault.left.map(|left| left.saturating_sub(1));
        if fault.left == Some(0) {
            waiting.remove(index);
        }
        Some(strike)
    }
}
