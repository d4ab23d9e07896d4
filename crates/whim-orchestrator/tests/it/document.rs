//! Every response and event that tests receive is checked against the OpenAPI document.

use std::sync::LazyLock;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use whim_orchestrator::http::openapi;
use whim_testkit::api_document::ApiDocument;

static DOCUMENT: LazyLock<ApiDocument> = LazyLock::new(|| ApiDocument::new(openapi::document()));

#[track_caller]
pub(crate) fn assert_documented(method: &str, path: &str, status: u16, headers: &HeaderMap, body: &[u8]) {
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
