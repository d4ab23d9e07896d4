//! Forwards requests to the orchestrator, with the API key added, and streams the responses.

use std::error::Error as _;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SERVER, SET_COOKIE,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use http_body_util::LengthLimitError;
use whim_service::chain::chain;

use super::state::Dashboard;
use super::stream::{Kind, until};
use crate::access::Session;
use crate::error::ApiError;

/// Largest body of a request, as for the orchestrator.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Headers that concern the connection to the orchestrator only, or are the dashboard's to set.
const NOT_FORWARDED: [HeaderName; 11] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    SERVER,
    SET_COOKIE,
    WWW_AUTHENTICATE,
];

const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(super) async fn forward(
    State(dashboard): State<Dashboard>,
    session: Option<Extension<Session>>,
    request: Request,
) -> Result<Response, ApiError> {
    if !is_plain(request.uri().path()) {
        return Err(ApiError::no_such_route());
    }
    let (parts, body) = request.into_parts();
    let body = read(body, dashboard.upstream.timeout()).await?;
    let answer = dashboard
        .upstream
        .send(parts.method, &parts.uri, &parts.headers, body)
        .await?;
    let status = answer.status();
    let mut headers = end_to_end(answer.headers());
    let is_event_stream = headers
        .get(CONTENT_TYPE)
        .is_some_and(|content_type| content_type.as_bytes().starts_with(b"text/event-stream"));
    let chunks = answer.bytes_stream().inspect(|chunk| {
        if let Err(error) = chunk {
            tracing::debug!(error = %chain(error), "the orchestrator broke a response off");
        }
    });
    let body = if is_event_stream {
        // Proxies that collect responses leave streams with it alone.
        headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        Body::from_stream(until(end_of(&dashboard, session), chunks, Kind::Events))
    } else if headers.contains_key(CONTENT_LENGTH) {
        Body::from_stream(chunks)
    } else {
        Body::from_stream(until(end_of(&dashboard, session), chunks, Kind::Download))
    };
    Ok((status, headers, body).into_response())
}

/// Identifiers need no escapes, and clients would resolve escaped dot segments.
fn is_plain(path: &str) -> bool {
    !path.contains(['%', '\\']) && !path.split('/').any(|segment| matches!(segment, "." | ".."))
}

async fn read(body: Body, limit: Duration) -> Result<Bytes, ApiError> {
    let read = tokio::time::timeout(limit, to_bytes(body, MAX_BODY_BYTES)).await;
    read.map_err(|_elapsed| ApiError::too_slow())?.map_err(|error| {
        if error
            .source()
            .is_some_and(|source| source.is::<LengthLimitError>())
        {
            ApiError::too_large(MAX_BODY_BYTES)
        } else {
            ApiError::invalid("the body of the request is incomplete")
        }
    })
}

/// Without the headers of the connection, and those that it names.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<&str> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let is_kept = |name: &HeaderName| {
        !NOT_FORWARDED.contains(name)
            && !named
                .iter()
                .any(|named| name.as_str().eq_ignore_ascii_case(named))
    };
    headers
        .iter()
        .filter(|(name, _)| is_kept(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Completes when the session ends, and when the dashboard stops, which would otherwise wait for the response.
fn end_of(
    dashboard: &Dashboard,
    session: Option<Extension<Session>>,
) -> impl Future<Output = ()> + Send + use<> {
    let closing = dashboard.closing.clone();
    let end_of_session = dashboard
        .login
        .as_ref()
        .zip(session)
        .map(|(login, Extension(session))| login.sessions.end_of(session));
    async move {
        match end_of_session {
            Some(end) => tokio::select! {
                () = closing.cancelled() => {}
                () = end => {}
            },
            None => closing.cancelled().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_a_client_would_rewrite_are_not_plain() {
        assert!(is_plain("/api/work/0193a5c0-0000-7000-8000-000000000000/cancel"));
        for path in [
            "/api/work/../worker/register",
            "/api/work/./x",
            "/api/work/%2e%2e/worker",
            "/api/work/%2E%2e",
            "/api/work/..%2fworker",
            "/api/work/a%2fb",
            "/api/work/..\\worker",
        ] {
            assert!(!is_plain(path), "{path}");
        }
    }

    #[test]
    fn headers_of_the_connection_are_dropped() {
        let headers: HeaderMap = [
            ("connection", "keep-alive, X-Private"),
            ("keep-alive", "timeout=5"),
            ("x-private", "1"),
            ("transfer-encoding", "chunked"),
            ("set-cookie", "a=b"),
            ("content-type", "application/json"),
            ("location", "/api/work/1"),
        ]
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
        let kept = end_to_end(&headers);
        let mut kept: Vec<&str> = kept.keys().map(HeaderName::as_str).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["content-type", "location"]);
    }
}
