//! Requests to GitHub and to the model API.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, header};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Detects a server that is gone without having closed its connections.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A client that follows no redirect: a credential goes only where it is meant to go.
///
/// # Errors
/// The HTTP client cannot be built.
pub(crate) fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .user_agent(concat!("whim-gateway/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(KEEP_ALIVE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// The headers that `is_kept` names, without those of the connection.
pub(crate) fn kept(headers: &HeaderMap, is_kept: impl Fn(&str) -> bool) -> HeaderMap {
    const OF_THE_CONNECTION: [HeaderName; 8] = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::HOST,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    headers
        .iter()
        .filter(|(name, _)| !OF_THE_CONNECTION.contains(name) && is_kept(name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// A base URL to which paths are appended.
pub(crate) fn base(url: &url::Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().trim_end_matches('/').to_owned()
}
