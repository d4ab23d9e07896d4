//! Every response and event that tests receive is checked against the OpenAPI document.

use std::sync::LazyLock;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use whim_orchestrator::http::openapi;
use whim_testkit::api_document::ApiDocument;

static DOCUMENT: LazyLock<ApiDocument> = LazyLock::new(|| ApiDocument::new(openapi::document()));

/// `of_workers` selects the listener: routes of the other one are unknown there.
#[track_caller]
pub(crate) fn assert_documented(
    of_workers: bool,
    (method, path): (&str, &str),
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
) {
    let is_known = of_workers == path.starts_with("/api/worker/");
    let method = if is_known { method } else { "UNKNOWN" };
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default();
    if let Err(violation) = DOCUMENT.check_response(method, path, status, content_type, body) {
        panic!("{violation}");
    }
}

#[track_caller]
pub(crate) fn assert_event_documented(data: &str) {
    if let Err(violation) = DOCUMENT.check_event(data) {
        panic!("{violation}");
    }
}
