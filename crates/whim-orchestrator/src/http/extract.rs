//! Bodies, queries and identifiers as types; what does not parse is an answer in our envelope that names the field.

use std::fmt::Display;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path as AxumPath, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::MAX_BODY_BYTES;
use super::error::ApiError;

/// A JSON body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Json<T>(pub(super) T);

/// A JSON body that may be left out.
#[derive(Clone, Copy, Debug)]
pub(super) struct OptionalJson<T>(pub(super) T);

/// The query string.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<T>(pub(super) T);

/// The identifier in the path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Id<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        // Also a defence: a page of another site can send a form or plain text unasked, but not JSON.
        if !is_json(request.headers()) {
            return Err(ApiError::unsupported_content_type());
        }
        parse(&read(request, state).await?).map(Self)
    }
}

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let typed = request.headers().contains_key(CONTENT_TYPE);
        if typed && !is_json(request.headers()) {
            return Err(ApiError::unsupported_content_type());
        }
        let body = read(request, state).await?;
        match (body.is_empty(), typed) {
            (true, _) => Ok(Self(T::default())),
            (false, true) => parse(&body).map(Self),
            (false, false) => Err(ApiError::unsupported_content_type()),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
            ApiError::too_large(MAX_BODY_BYTES)
        } else {
            ApiError::malformed("the body could not be read to its end")
        }
    })
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // Without this, an array would be taken for the fields in the order in which they stand in our code.
    if body
        .trim_ascii_start()
        .first()
        .is_some_and(|first| *first != b'{')
    {
        return Err(ApiError::malformed("the body is not a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        if error.inner().is_data() {
            name_field(&error.path().to_string(), error.inner())
        } else {
            ApiError::malformed(format!("the body is not JSON: {}", error.inner()))
        }
    })?;
    deserializer
        .end()
        .map_err(|error| ApiError::malformed(format!("the body is not JSON: {error}")))?;
    Ok(value)
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let deserializer = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(deserializer)
            .map(Self)
            .map_err(|error| name_field(&error.path().to_string(), error.inner()))
    }
}

/// `path` is where the value stands that does not fit. Of a field that is unknown or missing only the text tells the
/// name, between backquotes.
fn name_field(path: &str, problem: &dyn Display) -> ApiError {
    let problem = problem.to_string();
    let in_text = ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .find_map(|beginning| problem.strip_prefix(beginning)?.split_once('`'))
        .map(|(name, _)| name);
    let field = match (path, in_text) {
        ("." | "", Some(name)) => name.to_owned(),
        ("." | "", None) => return ApiError::malformed(problem),
        (path, Some(name)) if path != name && !path.ends_with(&format!(".{name}")) => {
            format!("{path}.{name}")
        }
        (path, _) => path.to_owned(),
    };
    ApiError::invalid(&field, problem)
}

impl<T, S> FromRequestParts<S> for Id<T>
where
    T: FromStr,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let AxumPath(text) = AxumPath::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::invalid("id", "is not UTF-8"))?;
        text.parse()
            .map(Self)
            .map_err(|_| ApiError::invalid("id", "is not an identifier; expected a UUID"))
    }
}
