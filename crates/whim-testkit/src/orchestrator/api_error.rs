//! Error responses.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use whim_core::WorkItemStatus;
use whim_core::protocol::{ErrorBody, ErrorCode};

#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    code: ErrorCode,
    error: String,
    details: Value,
}

impl ApiError {
    pub(super) fn new(code: ErrorCode, error: impl Into<String>) -> Self {
        Self {
            code,
            error: error.into(),
            details: Value::Null,
        }
    }

    pub(super) fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    pub(super) fn invalid(field: &str, problem: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::InvalidRequest, format!("{field}: {problem}"))
            .with_details(json!({ "field": field }))
    }

    pub(super) fn wrong_state(status: WorkItemStatus) -> Self {
        Self::new(ErrorCode::WrongState, format!("the work item is {status}"))
            .with_details(json!({ "status": status }))
    }

    pub(super) fn message(&self) -> &str {
        &self.error
    }

    fn status(&self) -> StatusCode {
        match self.code {
            ErrorCode::InvalidRequest => StatusCode::BAD_REQUEST,
            ErrorCode::Unauthorized => StatusCode::UNAUTHORIZED,
            ErrorCode::Forbidden => StatusCode::FORBIDDEN,
            ErrorCode::NotFound => StatusCode::NOT_FOUND,
            ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ErrorCode::WrongState
            | ErrorCode::LeaseLost
            | ErrorCode::BranchInUse
            | ErrorCode::LockHeld
            | ErrorCode::AlreadyRegistered
            | ErrorCode::LimitReached => StatusCode::CONFLICT,
            ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::UnknownProtocol => StatusCode::UPGRADE_REQUIRED,
            ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Internal | ErrorCode::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let Self { code, error, details } = self;
        (status, Json(ErrorBody { error, code, details })).into_response()
    }
}
