//! Extractors and results of handlers.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::response::Response;
use serde::de::DeserializeOwned;
use url::Url;

use super::access::Identity;
use super::error_response::ErrorResponse;
use super::rate::Standing;

/// The result of a handler.
pub(super) type Answer = Result<Response, ErrorResponse>;

pub(super) type RepositoryPath = (String, String);

/// The caller, and the address that it used.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) identity: Option<Identity>,
    pub(super) url: Url,
    pub(super) standing: Standing,
}

impl Call {
    /// The account of the caller; operations on repositories require one.
    pub(super) fn login(&self) -> Result<&str, ErrorResponse> {
        self.identity
            .as_ref()
            .map(|it| it.login.as_str())
            .ok_or(ErrorResponse::RequiresAuthentication)
    }
}

impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = ErrorResponse;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ErrorResponse> {
        let call = parts.extensions.get::<Self>().cloned();
        call.ok_or_else(|| ErrorResponse::Internal("a handler was called past the gate".to_owned()))
    }
}

/// A valid query, parsed into the parameters that the fake supports.
pub(super) struct Known<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Known<T> {
    type Rejection = ErrorResponse;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ErrorResponse> {
        let query = Query::try_from_uri(&parts.uri);
        query
            .map(|Query(query)| Self(query))
            .map_err(|error| ErrorResponse::NotImplemented(format!("this query: {}", error.body_text())))
    }
}

/// A valid body, parsed into the fields that the fake supports.
pub(super) struct KnownBody<T>(pub(super) T);

impl<S: Sync + Send, T: DeserializeOwned> FromRequest<S> for KnownBody<T> {
    type Rejection = ErrorResponse;

    async fn from_request(request: Request, state: &S) -> Result<Self, ErrorResponse> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|error| ErrorResponse::Internal(error.body_text()))?;
        let text: &[u8] = if body.is_empty() { b"{}" } else { &body };
        let body = serde_json::from_slice(text);
        body.map(Self)
            .map_err(|error| ErrorResponse::NotImplemented(format!("this body: {error}")))
    }
}

/// Runs a blocking call, such as git, on the blocking pool.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ErrorResponse> + Send + 'static,
) -> Result<T, ErrorResponse> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ErrorResponse::Internal(error.to_string())))
}
