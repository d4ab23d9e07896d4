//! The bodies with which GitHub says no.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::fmt;

/// What an error body names as its documentation.
const DOCUMENTATION: &str = "https://docs.github.com/rest";

/// Why a request is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ErrorResponse {
    /// The token is not known, or was not readable.
    BadCredentials,
    /// The operation wants a token, and there was none.
    RequiresAuthentication,
    /// GitHub wants to know the program that calls.
    NoUserAgent,
    /// No such thing, or nothing that this token may know of.
    NotFound,
    /// The label that is to go is not there.
    NoSuchLabel,
    /// The token may look, but not do this.
    Forbidden,
    /// The hourly limit is used up.
    RateLimited,
    /// The body is not JSON.
    NotJson,
    /// The request does not have the form that the description demands.
    Malformed(String),
    /// The request has the right form, but asks for what cannot be.
    Invalid(Vec<Invalid>),
    /// The description knows the operation, or a field of it, and the fake does not.
    NotImplemented(String),
    /// The fake itself is broken.
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

    /// The field's value names nothing, or has the wrong form.
    pub(super) fn field(resource: &'static str, field: &'static str) -> Self {
        Self {
            resource,
            field: Some(field),
            code: "invalid",
            message: None,
        }
    }

    /// There is one with this name already.
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
