//! Bodies, queries and identifiers as types. Invalid ones are answered with 400, which names the field.

mod compressed;
mod problem;
mod query;

use std::fmt::Display;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path as AxumPath, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(super) use self::compressed::CompressedJson;
use self::problem::Problem;
use self::query::QueryFields;
use super::error::ApiError;

/// The largest request body. The largest legitimate one is a heartbeat with a full batch of events.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A JSON body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Json<T>(pub(super) T);

/// A JSON body that may be omitted.
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
        // Also a defence: a page of another site can send a form or plain text without asking, but not JSON.
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
            ApiError::malformed("the connection ended before the body was complete")
        }
    })
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // Without this check an array would be read as the fields in the order of their declaration.
    match body.trim_ascii_start().first() {
        None => return Err(ApiError::malformed("the body is empty; expected a JSON object")),
        Some(b'{') => {}
        Some(_other) => return Err(ApiError::malformed("the body is not a JSON object")),
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let error = match serde_path_to_error::deserialize(&mut deserializer) {
        Ok(value) => {
            deserializer.end().map_err(|error| malformed(&error))?;
            return Ok(value);
        }
        Err(error) => error,
    };
    if error.inner().to_string().starts_with("duplicate field") {
        return Err(invalid(&error.path().to_string(), error.inner()));
    }
    // From a value again: a value of a wrong type where a name is expected is a syntax error to the parser of the text,
    // and in JSON Schema 1.0 is an integer.
    let mut value = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    write_integers(&mut value);
    serde_path_to_error::deserialize(value).map_err(|error| invalid(&error.path().to_string(), error.inner()))
}

/// Replaces integers that are written as floating point numbers.
fn write_integers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().filter(|_| number.is_f64());
            // Larger ones are not exact, and no field accepts them.
            if let Some(float) =
                float.filter(|float| float.fract() == 0.0 && float.abs() <= f64::from(u32::MAX))
            {
                *number = (float as i64).into();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(write_integers),
        Value::Object(fields) => fields.values_mut().for_each(write_integers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn malformed(error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    if text.starts_with("recursion limit exceeded") {
        return ApiError::malformed("the body is nested too deeply; expected at most 127 levels");
    }
    ApiError::malformed(format!("the body is not JSON: {text}"))
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let query = QueryFields::parse(parts.uri.query().unwrap_or_default());
        serde_path_to_error::deserialize(query)
            .map(Self)
            .map_err(|error| invalid(&error.path().to_string(), error.inner()))
    }
}

/// `path` is the place of the value that does not fit. The name of a field that is unknown, missing or repeated is only
/// in the text of the error.
fn invalid(path: &str, error: &dyn Display) -> ApiError {
    let Problem { field, text } = Problem::of(&error.to_string());
    let path = if path == "." { "" } else { path };
    let field = match (path, field) {
        ("", None) => return ApiError::malformed(format!("the body {text}")),
        ("", Some(name)) => name,
        (path, Some(name)) if path != name && !path.ends_with(&format!(".{name}")) => {
            format!("{path}.{name}")
        }
        (path, _) => path.to_owned(),
    };
    ApiError::invalid(&field, text)
}

impl<T, S> FromRequestParts<S> for Id<T>
where
    T: FromStr<Err: Display>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let AxumPath(text) = AxumPath::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::invalid("id", "is not UTF-8; expected a UUID"))?;
        text.parse()
            .map(Self)
            .map_err(|error| ApiError::invalid("id", error))
    }
}
