//! What is refused, and why: counted and logged the same way on every path.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::attempts::{Attempt, Denied};
use crate::metrics::{self, Part};

/// The gateway itself answers, with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// The label of the metric.
    pub(crate) reason: &'static str,
    /// For the caller: what is wrong, and what would be right.
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            message: message.into(),
            retry_after: None,
        }
    }

    pub(crate) fn forbidden(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, reason, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// The server behind the gateway gave no usable answer.
    pub(crate) fn upstream(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "upstream", message)
    }

    pub(crate) fn retry_after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..self
        }
    }

    /// Counts and logs it. `what` is what was asked for.
    pub(crate) fn record(&self, part: Part, attempt: Option<&Attempt>, what: &str) {
        metrics::refused(part, self.reason);
        let (reason, message) = (self.reason, self.message.as_str());
        let part = part.as_str();
        match attempt {
            Some(attempt) => {
                let grant = &attempt.grant;
                let (work_item_id, worker_id) = (grant.work_item_id, grant.worker_id);
                tracing::warn!(
                    target: "audit",
                    %work_item_id, %worker_id, part, reason, what, "refused: {message}"
                );
            }
            None => tracing::warn!(target: "audit", part, reason, what, "refused: {message}"),
        }
    }

    /// As plain text, which git shows after `remote:`.
    pub(crate) fn into_text(self) -> Response {
        let body = format!("Whim: {}\n", self.message);
        let content_type = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        let mut response = (self.status, content_type, body).into_response();
        self.add_headers(&mut response);
        response
    }

    /// `retry-after`, and the challenge of a 401 or 407.
    pub(crate) fn add_headers(&self, response: &mut Response) {
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        let challenge = HeaderValue::from_static("Basic realm=\"Whim\"");
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        } else if self.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            headers.insert(header::PROXY_AUTHENTICATE, challenge);
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        let status = match denied {
            Denied::NoToken => StatusCode::UNAUTHORIZED,
            // Not 401: clients take that for a refusal of the credential that the gateway adds.
            Denied::UnknownToken | Denied::WrongScope => StatusCode::FORBIDDEN,
            Denied::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, denied.reason(), denied.to_string())
    }
}
