//! Entity tags and conditional requests.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::http::{HeaderMap, HeaderValue, header};

/// The tag of a response, derived from its bytes. Weak, as on GitHub.
pub(super) fn entity_tag(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

/// Whether `If-None-Match` has this tag.
pub(super) fn is_held(request: &HeaderMap, tag: &str) -> bool {
    request
        .get(header::IF_NONE_MATCH)
        .is_some_and(|held| names(held, tag))
}

/// Weak and strong tags are equal in `If-None-Match` (RFC 9110, 13.1.2).
fn names(held: &HeaderValue, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let held = held.to_str().unwrap_or_default();
    held.trim() == "*" || held.split(',').any(|one| opaque(one) == opaque(tag))
}
