//! Error responses, in one envelope.

use std::any::Any;
use std::time::Duration;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use whim_core::protocol::{ErrorBody, ErrorCode, PROTOCOL_VERSION, PROTOCOL_VERSION_HEADER};
use whim_service::chain::chain;

use crate::error::Error;

/// Seconds until a caller should retry while a dependency is unavailable.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("2");

/// A response with a status of 400 or more.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    body: Box<ErrorBody>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: ErrorCode, error: impl Into<String>, details: Value) -> Self {
        Self {
            status,
            body: Box::new(ErrorBody {
                error: error.into(),
                code,
                details,
            }),
        }
    }

    /// 400. `problem` states what the field was and what it may be.
    pub(super) fn invalid(field: &str, problem: impl std::fmt::Display) -> Self {
        let details = json!({ "field": field });
        Self::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::InvalidRequest,
            format!("{field}: {problem}"),
            details,
        )
    }

    /// 400, if no single field is wrong.
    pub(super) fn malformed(problem: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::InvalidRequest,
            problem,
            Value::Null,
        )
    }

    pub(super) fn unsupported_content_type() -> Self {
        let error = "expected a body of content type application/json";
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorCode::InvalidRequest,
            error,
            Value::Null,
        )
    }

    pub(super) fn unsupported_content_encoding() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorCode::InvalidRequest,
            "expected a body without compression or of content encoding zstd",
            Value::Null,
        )
    }

    pub(super) fn too_large(max_bytes: usize) -> Self {
        let error = format!("the body is larger than {max_bytes} bytes");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::TooLarge,
            error,
            json!({ "maxBytes": max_bytes }),
        )
    }

    /// 414 and 431, before the request is processed.
    pub(super) fn too_long(status: StatusCode, what: &str, max_bytes: usize) -> Self {
        Self::new(
            status,
            ErrorCode::TooLarge,
            format!("the {what} longer than {max_bytes} bytes"),
            json!({ "maxBytes": max_bytes }),
        )
    }

    /// 429, to a peer that keeps presenting wrong credentials.
    pub(super) fn too_many_refusals(retry_after: Duration) -> Self {
        let seconds = retry_after.as_secs() + 1;
        let error = format!(
            "too many wrong credentials from this address; a valid one is accepted at any time, others are checked again \
             in {seconds} seconds"
        );
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::RateLimited,
            error,
            json!({ "retryAfterSeconds": seconds }),
        )
    }

    pub(super) fn unauthorized(error: &'static str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            ErrorCode::Unauthorized,
            error,
            Value::Null,
        )
    }

    pub(super) fn forbidden(error: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, error, Value::Null)
    }

    /// 426, with the supported versions.
    pub(super) fn unknown_protocol(found: Option<&str>) -> Self {
        let problem = found.map_or_else(|| "is missing".to_owned(), |found| format!("was {found:?}"));
        let error = format!(
            "header {PROTOCOL_VERSION_HEADER} {problem}; this orchestrator supports version {PROTOCOL_VERSION} of the \
             worker protocol: run a worker of the same release"
        );
        let details = json!({ "supported": [PROTOCOL_VERSION], "found": found });
        Self::new(
            StatusCode::UPGRADE_REQUIRED,
            ErrorCode::UnknownProtocol,
            error,
            details,
        )
    }

    pub(super) fn no_such_route() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            ErrorCode::NotFound,
            "no route has this path",
            Value::Null,
        )
    }

    pub(super) fn method_not_allowed() -> Self {
        let error = "the route exists, but not with this method";
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            ErrorCode::MethodNotAllowed,
            error,
            Value::Null,
        )
    }

    pub(super) fn unavailable(error: &'static str) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Unavailable,
            error,
            Value::Null,
        )
    }

    fn internal() -> Self {
        let error = "an internal error; the log has the cause under the id of the request";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::Internal,
            error,
            Value::Null,
        )
    }

    pub(super) fn not_found(error: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, error, Value::Null)
    }

    fn conflict(code: ErrorCode, error: String, details: Value) -> Self {
        Self::new(StatusCode::CONFLICT, code, error, details)
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Invalid {
                field, violations, ..
            } => {
                let mut details = json!({ "field": field });
                if !violations.is_empty() {
                    details["violations"] = violations.into();
                }
                Self::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, text, details)
            }
            Error::NoSuchItem(_)
            | Error::NoSuchWorker(_)
            | Error::NoSuchAttempt { .. }
            | Error::NoSuchLearning(_) => Self::not_found(text),
            Error::TooLarge { max_bytes, .. } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                ErrorCode::TooLarge,
                text,
                json!({ "maxBytes": max_bytes }),
            ),
            Error::ItemState { now, .. } | Error::NoteAfterEnd { now } => {
                Self::conflict(ErrorCode::WrongState, text, json!({ "status": now }))
            }
            Error::TooManyNotes { limit } => {
                Self::conflict(ErrorCode::LimitReached, text, json!({ "limit": limit }))
            }
            Error::OtherRun { current, now, .. } => {
                let details = json!({ "status": now, "run": current });
                Self::conflict(ErrorCode::WrongState, text, details)
            }
            Error::WorkerState { now, .. } => {
                Self::conflict(ErrorCode::WrongState, text, json!({ "status": now }))
            }
            Error::BranchInUse { holder, .. } => {
                Self::conflict(ErrorCode::BranchInUse, text, json!({ "workItemId": holder }))
            }
            Error::LeaseLost { now, .. } => {
                let details = now.map_or(Value::Null, |now| json!({ "status": now }));
                Self::conflict(ErrorCode::LeaseLost, text, details)
            }
            Error::AlreadyRegistered(_) => Self::conflict(ErrorCode::AlreadyRegistered, text, Value::Null),
            Error::LockHeld(conflicts) => {
                Self::conflict(ErrorCode::LockHeld, text, json!({ "conflicts": conflicts }))
            }
            Error::Database(error) => Self::of_database(&error),
            Error::Locks(error) => {
                tracing::warn!(error = %chain(&error), "file locks are unavailable");
                Self::unavailable("file locks are unavailable at the moment; try again")
            }
        }
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        Self::of_database(&error)
    }
}

impl ApiError {
    fn of_database(error: &sqlx::Error) -> Self {
        if is_temporary(error) {
            tracing::warn!(error = %chain(error), "Postgres is unavailable");
            return Self::unavailable("the database is unavailable at the moment; try again");
        }
        tracing::error!(error = %chain(error), "Postgres refused a query");
        Self::internal()
    }
}

/// Whether the same query may succeed later: the database is unavailable, busy or restarting, or it aborted one of two
/// conflicting transactions.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "variants that sqlx may add are not known to be temporary"
)]
fn is_temporary(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "40", "53", "57"]
                .iter()
                .any(|class| code.starts_with(class))
        }),
        _ => false,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> axum::response::Response {
        let Self { status, body } = self;
        let retry_after = body.details["retryAfterSeconds"].as_u64().map(HeaderValue::from);
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }
}

/// The response after a panic, which the panic hook has logged.
pub(super) fn after_panic(_payload: Box<dyn Any + Send + 'static>) -> Response<axum::body::Body> {
    ApiError::internal().into_response()
}
