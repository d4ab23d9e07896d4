//! GitHub's error bodies.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::fmt;

/// The `documentation_url` of an error body.
const DOCUMENTATION: &str = "https://docs.github.com/rest";

/// The reason for an error response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ErrorResponse {
    /// The token is unknown or malformed.
    BadCredentials,
    /// The operation requires a token, and there was none.
    RequiresAuthentication,
    /// The `User-Agent` header is missing.
    NoUserAgent,
    /// The resource does not exist, or the token has no access to it.
    NotFound,
    /// The issue does not have the label to remove.
    NoSuchLabel,
    /// The token may read, but not do this.
    Forbidden,
    /// The hourly limit is exhausted.
    RateLimited,
    /// The body is not JSON.
    NotJson,
    /// The request does not match the description.
    Malformed(String),
    /// The request is well-formed, but cannot be processed.
    Invalid(Vec<Invalid>),
    /// The fake does not support the operation or a field of it.
    NotImplemented(String),
    /// A defect of the fake.
    Internal(String),
}

/// One entry of `errors` in a 422.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invalid {
    resource: &'static str,
    field: Option<&'static str>,
    code: &'static str,
    message: Option<String>,
}

impl Invalid {
    /// The field is missing.
    pub(super) fn missing(resource: &'static str, field: &'static str) -> Self {
        Self {
            resource,
            field: Some(field),
            code: "missing_field",
            message: None,
        }
    }

    /// The field's value is invalid.
    pub(super) fn field(resource: &'static str, field: &'static str) -> Self {
        Self {
            resource,
            field: Some(field),
            code: "invalid",
            message: None,
        }
    }

    /// The name is taken.
    pub(super) fn already_exists(resource: &'static str, field: &'static str) -> Self {
        Self {
            resource,
            field: Some(field),
            code: "already_exists",
            message: None,
        }
    }

    /// A rule of the resource that has no code of its own.
    pub(super) fn custom(resource: &'static str, message: String) -> Self {
        Self {
            resource,
            field: None,
            code: "custom",
            message: Some(message),
        }
    }

    fn body(&self) -> Value {
        let mut body = json!({ "resource": self.resource, "code": self.code });
        if let Some(field) = self.field {
            body["field"] = field.into();
        }
        if let Some(message) = &self.message {
            body["message"] = message.as_str().into();
        }
        body
    }
}

impl ErrorResponse {
    /// A 422 with one entry.
    pub(super) fn invalid(error: Invalid) -> Self {
        Self::Invalid(vec![error])
    }

    fn parts(&self) -> (StatusCode, String) {
        match self {
            Self::BadCredentials => (StatusCode::UNAUTHORIZED, "Bad credentials".to_owned()),
            Self::RequiresAuthentication => (StatusCode::UNAUTHORIZED, "Requires authentication".to_owned()),
            Self::NoUserAgent => (
                StatusCode::FORBIDDEN,
                "Request forbidden by administrative rules. Please make sure your request has a User-Agent header"
                    .to_owned(),
            ),
            Self::NotFound => (StatusCode::NOT_FOUND, "Not Found".to_owned()),
            Self::NoSuchLabel => (StatusCode::NOT_FOUND, "Label does not exist".to_owned()),
            Self::Forbidden => {
                (StatusCode::FORBIDDEN, "Resource not accessible by personal access token".to_owned())
            }
            Self::RateLimited => (StatusCode::FORBIDDEN, rate_limit_message().to_owned()),
            Self::NotJson => (StatusCode::BAD_REQUEST, "Problems parsing JSON".to_owned()),
            Self::Malformed(problem) => {
                (StatusCode::UNPROCESSABLE_ENTITY, format!("Invalid request.\n\n{problem}"))
            }
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed".to_owned()),
            Self::NotImplemented(what) => {
                (StatusCode::NOT_IMPLEMENTED, format!("the fake does not implement {what}"))
            }
            Self::Internal(what) => (StatusCode::INTERNAL_SERVER_ERROR, what.clone()),
        }
    }
}

/// GitHub's message for an exhausted hourly limit, which clients search for.
pub(super) const fn rate_limit_message() -> &'static str {
    "API rate limit exceeded for user ID 1. If you reach out to GitHub Support for help, please include the request ID."
}

/// GitHub's message for the secondary limit, which clients search for.
pub(super) const fn secondary_limit_message() -> &'static str {
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
}

/// A body that every error of GitHub's has.
pub(super) fn error_body(status: StatusCode, message: &str) -> Value {
    json!({ "message": message, "documentation_url": DOCUMENTATION, "status": status.as_str() })
}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, message) = self.parts();
        write!(formatter, "{status}: {message}")?;
        match self {
            Self::Invalid(errors) => write!(formatter, " {errors:?}"),
            Self::BadCredentials
            | Self::RequiresAuthentication
            | Self::NoUserAgent
            | Self::NotFound
            | Self::NoSuchLabel
            | Self::Forbidden
            | Self::RateLimited
            | Self::NotJson
            | Self::Malformed(_)
            | Self::NotImplemented(_)
            | Self::Internal(_) => Ok(()),
        }
    }
}

impl std::error::Error for ErrorResponse {}

impl IntoResponse for ErrorResponse {
    fn into_response(self) -> Response {
        let (status, message) = self.parts();
        let mut body = error_body(status, &message);
        if let Self::Invalid(errors) = &self {
            body["errors"] = errors.iter().map(Invalid::body).collect();
        }
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"GitHub\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
