//! Error responses, in the envelope of the orchestrator's API.

use std::time::Duration;

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use whim_core::protocol::{ErrorBody, ErrorCode};

/// Seconds until a caller should retry while the orchestrator is unavailable.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("2");

/// A response with a status of 400 or more.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    body: Box<ErrorBody>,
}

impl ApiError {
    fn new(status: StatusCode, code: ErrorCode, error: impl Into<String>, details: Value) -> Self {
        Self {
            status,
            body: Box::new(ErrorBody {
                error: error.into(),
                code,
                details,
            }),
        }
    }

    fn simple(status: StatusCode, code: ErrorCode, error: impl Into<String>) -> Self {
        Self::new(status, code, error, Value::Null)
    }

    pub(crate) fn no_such_route() -> Self {
        let error = "the dashboard forwards no route with this path";
        Self::simple(StatusCode::NOT_FOUND, ErrorCode::NotFound, error)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let error = "the route exists, but not with this method";
        Self::simple(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::MethodNotAllowed, error)
    }

    pub(crate) fn invalid(error: impl Into<String>) -> Self {
        Self::simple(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, error)
    }

    pub(crate) fn too_slow() -> Self {
        let error = "the body of the request did not arrive in time";
        Self::simple(StatusCode::REQUEST_TIMEOUT, ErrorCode::InvalidRequest, error)
    }

    pub(crate) fn too_large(max_bytes: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::TooLarge,
            format!("the body is larger than {max_bytes} bytes"),
            json!({ "maxBytes": max_bytes }),
        )
    }

    pub(crate) fn unauthorized(error: &'static str) -> Self {
        Self::simple(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, error)
    }

    pub(crate) fn forbidden(error: &'static str) -> Self {
        Self::simple(StatusCode::FORBIDDEN, ErrorCode::Forbidden, error)
    }

    pub(crate) fn too_many_logins(retry_after: Duration) -> Self {
        let seconds = retry_after.as_secs() + 1;
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::RateLimited,
            format!("too many login attempts: try again in {seconds} seconds"),
            json!({ "retryAfterSeconds": seconds }),
        )
    }

    /// 502 or 504: the orchestrator gave no usable response.
    pub(crate) fn upstream(status: StatusCode, error: impl Into<String>) -> Self {
        let details = json!({ "upstream": "orchestrator" });
        Self::new(status, ErrorCode::Unavailable, error, details)
    }

    pub(crate) fn internal() -> Self {
        let error = "an internal error of the dashboard; its log has the cause";
        Self::simple(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { status, body } = self;
        let retry_after = match body.details["retryAfterSeconds"].as_u64() {
            Some(seconds) => Some(HeaderValue::from(seconds)),
            None => (body.code == ErrorCode::Unavailable).then_some(RETRY_AFTER_SECONDS),
        };
        let mut response = (status, Json(body)).into_response();
        if let Some(retry_after) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, retry_after);
        }
        response
    }
}
