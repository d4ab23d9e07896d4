//! Error answers in the protocol's one shape.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use whim_core::protocol::{ErrorBody, ErrorCode};

/// A call that is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    pub(super) error: String,
}

impl Refusal {
    pub(super) fn new(code: ErrorCode, error: impl Into<String>) -> Self {
        Self {
            code,
            error: error.into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { code, error } = self;
        let status = if code == ErrorCode::InvalidRequest {
            StatusCode::BAD_REQUEST
        } else if code == ErrorCode::Unauthorized {
            StatusCode::UNAUTHORIZED
        } else if code == ErrorCode::NotFound {
            StatusCode::NOT_FOUND
        } else if code == ErrorCode::Unavailable {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::CONFLICT
        };
        let details = Value::Null;
        (status, Json(ErrorBody { error, code, details })).into_response()
    }
}
