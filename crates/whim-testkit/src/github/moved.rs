//! Repositories that were renamed or transferred: their old addresses redirect to the one by number.

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::received::ReceivedRequest;
use super::state::World;

const BY_NAME: &str = "/repos/";
const BY_ID: &str = "/repositories/";

/// Rewrites an address by number to that by the current name, or answers an old name with a redirect.
pub(super) fn resolve(received: &mut ReceivedRequest, world: &World) -> Option<Response> {
    if let Some((id, rest)) = split_first(received.path.strip_prefix(BY_ID)) {
        let repository = world.repositories().find(|found| found.id.to_string() == id)?;
        let path = format!("{BY_NAME}{}{rest}", repository.full_name());
        received.path = path;
        return None;
    }
    if let Some(names) = received.path.strip_prefix(BY_NAME) {
        let (owner, after) = split_first(Some(names))?;
        let (name, rest) = split_first(after.strip_prefix('/'))?;
        let id = world.moved_to(owner, name)?;
        return Some(redirect(received, &format!("{BY_ID}{id}{rest}")));
    }
    let (owner, after) = split_first(received.path.strip_prefix('/'))?;
    let (name, rest) = split_first(after.strip_prefix('/'))?;
    let id = world.moved_to(owner, name.strip_suffix(".git")?)?;
    let repository = world.repositories().find(|found| found.id == id)?;
    Some(redirect(
        received,
        &format!("/{}.git{rest}", repository.full_name()),
    ))
}

/// The first segment of a path, and the rest with its slash.
fn split_first(path: Option<&str>) -> Option<(&str, &str)> {
    let path = path?;
    let end = path.find('/').unwrap_or(path.len());
    Some(path.split_at(end))
}

/// 301 to reads, and to writes a status that keeps the method.
fn redirect(received: &ReceivedRequest, path: &str) -> Response {
    let (status, message) = if received.method == Method::GET {
        (StatusCode::MOVED_PERMANENTLY, "Moved Permanently")
    } else {
        (StatusCode::TEMPORARY_REDIRECT, "Temporary Redirect")
    };
    let mut url = received.url.clone();
    let prefix = url
        .path()
        .strip_suffix(received.path.as_str())
        .unwrap_or_default()
        .to_owned();
    url.set_path(&format!("{prefix}{path}"));
    let body = json!({
        "message": message,
        "url": url.as_str(),
        "documentation_url": "https://docs.github.com/rest/guides/best-practices-for-using-the-rest-api#follow-redirects",
    });
    let location = HeaderValue::from_str(url.as_str());
    let mut response = (status, body.to_string()).into_response();
    response
        .headers_mut()
        .extend(location.map(|url| (header::LOCATION, url)));
    response
}
