//! The pages and their files.

use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::state::Dashboard;
use crate::assets::{Assets, HOW_TO_BUILD};
use crate::error::ApiError;

/// The first segments of the pages' paths; the script of the page reads the rest.
const PAGES: [&str; 7] = [
    "login",
    "workers",
    "queue",
    "work",
    "learnings",
    "metrics",
    "system",
];

/// Hashed names change with their content.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Everything else is asked for again, and answered with 304 while it is the same.
const REVALIDATED: HeaderValue = HeaderValue::from_static("no-cache");

pub(super) async fn serve(State(dashboard): State<Dashboard>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return ApiError::method_not_allowed().into_response();
    }
    respond(&dashboard.assets, request.uri().path(), request.headers())
}

fn respond(assets: &Assets, path: &str, headers: &HeaderMap) -> Response {
    let path = path.trim_start_matches('/');
    let (status, asset) = match (assets.get(path), assets.index()) {
        (Some(asset), _) => (StatusCode::OK, asset),
        (None, _) if is_file(path) => {
            return (StatusCode::NOT_FOUND, "there is no such file\n").into_response();
        }
        (None, None) => {
            return (StatusCode::SERVICE_UNAVAILABLE, format!("{HOW_TO_BUILD}\n")).into_response();
        }
        (None, Some(index)) if is_page(path) => (StatusCode::OK, index),
        // The script of the page says that there is no such page.
        (None, Some(index)) => (StatusCode::NOT_FOUND, index),
    };
    let variant = match &asset.gzip {
        Some(gzip) if accepts_gzip(headers) => gzip,
        Some(_) | None => &asset.identity,
    };
    // With 304, browsers replace the headers that they have stored.
    let mut sent = HeaderMap::from_iter([
        (
            CACHE_CONTROL,
            if asset.is_immutable {
                IMMUTABLE
            } else {
                REVALIDATED
            },
        ),
        (CONTENT_SECURITY_POLICY, assets.policy().clone()),
        (ETAG, variant.etag.clone()),
        (VARY, HeaderValue::from_static("accept-encoding")),
    ]);
    if status == StatusCode::OK && is_known(headers, &variant.etag) {
        return (StatusCode::NOT_MODIFIED, sent).into_response();
    }
    sent.insert(CONTENT_TYPE, asset.content_type.clone());
    if asset.gzip.as_ref().is_some_and(|gzip| gzip.etag == variant.etag) {
        sent.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    (status, sent, variant.body.clone()).into_response()
}

/// A file that is missing must not be answered with a page: a script or style would fail to parse.
fn is_file(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    path.starts_with("assets/") || last.contains('.')
}

fn is_page(path: &str) -> bool {
    path.is_empty() || path.split('/').next().is_some_and(|first| PAGES.contains(&first))
}

fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let listed = headers.get_all(IF_NONE_MATCH).iter();
    let mut tags = listed.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    tags.any(|tag| {
        let tag = tag.trim_ascii();
        let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
        tag == etag.as_bytes() || tag == b"*"
    })
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let listed = headers.get_all(ACCEPT_ENCODING).iter();
    let mut encodings = listed
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    encodings.any(|encoding| {
        let mut parts = encoding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let is_refused = parts
            .filter_map(|part| part.strip_prefix("q="))
            .any(|weight| weight.parse() == Ok(0.0_f32));
        is_gzip && !is_refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_if_it_is_accepted() {
        let accepts = |value: &'static str| {
            accepts_gzip(&HeaderMap::from_iter([(
                ACCEPT_ENCODING,
                HeaderValue::from_static(value),
            )]))
        };
        for value in ["gzip", "gzip, deflate, br, zstd", "br;q=1.0, GZIP;q=0.5"] {
            assert!(accepts(value), "{value}");
        }
        for value in ["", "br", "identity", "gzip;q=0", "br, gzip; q=0.0", "x-gzip-not"] {
            assert!(!accepts(value), "{value}");
        }
    }

    #[test]
    fn a_known_tag_is_recognised_in_a_list() {
        let etag = HeaderValue::from_static("\"abc\"");
        let knows = |value: &'static str| {
            is_known(
                &HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static(value))]),
                &etag,
            )
        };
        for value in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*"] {
            assert!(knows(value), "{value}");
        }
        for value in ["", "abc", "\"abcd\"", "\"x\""] {
            assert!(!knows(value), "{value}");
        }
    }
}
