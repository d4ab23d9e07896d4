//! Layers of every request: identifier, log line, limits of size and time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::{OpenApi, RefOr};
use uuid::Uuid;

use super::error::ApiError;
use crate::metrics::{self, Listener};

/// In a request: the caller's identifier. In a response: the identifier under which the request was logged.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_REQUEST_ID_BYTES: usize = 64;

/// Longest duration of a request; each executes a few statements.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Path and query.
const MAX_URI_BYTES: usize = 8 * 1024;
/// Names and values of all headers.
const MAX_HEADER_BYTES: usize = 32 * 1024;

/// The pattern of the route, never the path: text of strangers must not reach logs and metrics.
pub(super) fn route_of(request: &Request) -> String {
    let route = request.extensions().get::<MatchedPath>();
    route.map_or("unknown", MatchedPath::as_str).to_owned()
}

/// Assigns the request an identifier, logs and counts the response, and sets the headers that restrict what browsers do
/// with it.
pub(super) async fn identify(State(listener): State<Listener>, request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let method = name_of(request.method());
    let route = route_of(&request);
    let span = tracing::info_span!("request", request_id = id.to_str().unwrap_or_default());
    let begin = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, took) = (response.status().as_u16(), begin.elapsed());
    let duration_ms = took.as_millis();
    span.in_scope(|| tracing::debug!(method, route, status, duration_ms, "answered"));
    metrics::answered(listener, method, &route, status, took);
    response.headers_mut().insert(REQUEST_ID, id);
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Responses contain text of issues and agents: a browser must not render, sniff, cache or embed them. The
/// documentation pages set headers of their own.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// A known name, because callers can invent any number of methods.
fn name_of(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    KNOWN
        .into_iter()
        .find(|known| method.as_str() == *known)
        .unwrap_or("other")
}

/// Refuses requests with too long a path, query or headers, before they are processed.
pub(super) async fn limit_head(request: Request, next: Next) -> Response {
    let uri = request
        .uri()
        .path_and_query()
        .map_or(0, |path| path.as_str().len());
    if uri > MAX_URI_BYTES {
        let status = StatusCode::URI_TOO_LONG;
        return ApiError::too_long(status, "path and query are", MAX_URI_BYTES).into_response();
    }
    let headers: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers > MAX_HEADER_BYTES {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return ApiError::too_long(status, "headers are", MAX_HEADER_BYTES).into_response();
    }
    next.run(request).await
}

/// Routes that take no query.
#[derive(Clone, Debug)]
pub(super) struct WithoutQuery(Arc<HashSet<(Method, String)>>);

impl WithoutQuery {
    /// The document is generated from the handlers, so a parameter that is not in it is read by none.
    pub(super) fn of(document: &OpenApi) -> Self {
        let mut routes = HashSet::new();
        for (path, item) in &document.paths.paths {
            for (method, operation) in [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::DELETE, &item.delete),
                (Method::PATCH, &item.patch),
            ] {
                let Some(operation) = operation else { continue };
                let mut parameters = operation.parameters.iter().flatten();
                let takes_query = parameters.any(|parameter| match parameter {
                    RefOr::T(parameter) => parameter.parameter_in == ParameterIn::Query,
                    RefOr::Ref(_) => false,
                });
                if !takes_query {
                    routes.insert((method, path.clone()));
                }
            }
        }
        Self(Arc::new(routes))
    }
}

/// Refuses a query where none is read, as handlers refuse unknown parameters: a typing error is answered with 400 instead
/// of being ignored.
pub(super) async fn refuse_unread_query(
    State(WithoutQuery(routes)): State<WithoutQuery>,
    request: Request,
    next: Next,
) -> Response {
    let query = request.uri().query().unwrap_or_default();
    if let Some((name, _)) = url::form_urlencoded::parse(query.as_bytes()).next() {
        let method = match *request.method() {
            Method::HEAD => Method::GET,
            ref method => method.clone(),
        };
        if routes.contains(&(method, route_of(&request))) {
            return ApiError::invalid(&name, "is unknown; no parameters are expected").into_response();
        }
    }
    next.run(request).await
}

/// The caller's identifier if it is harmless in a log line, else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let harmless = |id: &&HeaderValue| {
        let bytes = id.as_bytes();
        (1..=MAX_REQUEST_ID_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    };
    request
        .headers()
        .get(REQUEST_ID)
        .filter(harmless)
        .cloned()
        .unwrap_or_else(|| {
            let new = Uuid::now_v7().to_string();
            HeaderValue::try_from(new).unwrap_or(HeaderValue::from_static("unknown"))
        })
}

/// Ends requests that take too long, including those whose body never arrives.
pub(super) async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(TIME_LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::unavailable("the request took too long; try again").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::http::StatusCode;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tower::ServiceExt as _;
    use tower_http::catch_panic::CatchPanicLayer;
    use whim_core::protocol::{ErrorBody, ErrorCode};

    use super::*;
    use crate::http::error::after_panic;

    async fn answer(routes: Router) -> (StatusCode, ErrorCode) {
        let response = routes.oneshot(Request::new(Body::empty())).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice::<ErrorBody>(&body).unwrap().code)
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_takes_too_long_is_ended() {
        let routes = Router::new()
            .route("/", get(std::future::pending::<()>))
            .layer(from_fn(limit_time));
        assert_eq!(
            answer(routes).await,
            (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable)
        );
    }

    #[tokio::test]
    async fn a_panic_is_answered_without_details() {
        let broken = get(async || -> StatusCode { panic!("a secret of the inside") });
        let routes = Router::new()
            .route("/", broken)
            .layer(CatchPanicLayer::custom(after_panic));
        assert_eq!(
            answer(routes).await,
            (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal)
        );
    }
}
