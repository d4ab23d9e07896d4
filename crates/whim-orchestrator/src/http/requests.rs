//! What every request gets: an identifier, a log line, and an end.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;
use uuid::Uuid;

use super::error::ApiError;

/// In: the caller's name for the request. Out: the name under which the log has it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_REQUEST_ID_BYTES: usize = 64;

/// The longest time that a request may take; every one is a few statements.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Names the request, in the log and in the answer, and logs how it ended.
pub(super) async fn identify(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let method = request.method().clone();
    // The pattern and never the path itself: what a stranger writes there has no place in the log.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let route = route.as_deref().unwrap_or("unknown");
    let span = tracing::info_span!("request", request_id = id.to_str().unwrap_or_default());
    let begin = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, duration_ms) = (response.status().as_u16(), begin.elapsed().as_millis());
    span.in_scope(|| tracing::debug!(%method, route, status, duration_ms, "answered"));
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The caller's identifier where it is harmless in a log line, else a new one.
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

/// Ends a request that takes too long; a body that never arrives included.
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
    async fn a_defect_is_an_answer_that_tells_nothing_of_it() {
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
