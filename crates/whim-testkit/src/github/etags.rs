//! Entity tags: what a caller holds already is not sent again.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::http::{HeaderMap, HeaderValue, header};

/// The tag of an answer: the same for the same bytes. GitHub's are weak, too.
pub(super) fn entity_tag(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

/// Whether the caller says that it holds an answer with this tag.
pub(super) fn is_held(request: &HeaderMap, tag: &str) -> bool {
    request
        .get(header::IF_NONE_MATCH)
        .is_some_and(|held| names(held, tag))
}

/// Weak and strong tags are alike in `If-None-Match` (RFC 9110, 13.1.2).
fn names(held: &HeaderValue, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let held = held.to_str().unwrap_or_default();
    held.trim() == "*" || held.split(',').any(|one| opaque(one) == opaque(tag))
}
