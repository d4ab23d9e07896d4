//! Metrics, log lines and the headers that restrict what browsers do with a response.

use std::net::SocketAddr;
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;

use super::state::Dashboard;
use crate::access::Client;
use crate::metrics;

/// The label of requests for pages and their files, and of those that match nothing.
const PAGES: &str = "pages";

/// Responses contain text of issues and agents. Pages have a policy of their own.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 7] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(
            "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=(), serial=(), hid=(), midi=()",
        ),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Finds out who sent the request, counts and logs the response, and adds [`SECURITY_HEADERS`].
pub(super) async fn observe(
    State(dashboard): State<Dashboard>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let client = dashboard.proxies.client(peer, request.headers());
    request.extensions_mut().insert(client);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or(PAGES, MatchedPath::as_str).to_owned();
    let begin = Instant::now();
    let mut response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), begin.elapsed());
    metrics::answered(name_of(&method), &route, status, took);
    log(client, &method, &route, status);
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// The orchestrator knows only the dashboard's address, so its audit log cannot say who changed something.
fn log(client: Client, method: &Method, route: &str, status: u16) {
    let from = client.address;
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
        || route == PAGES
        || route == "/csp-report"
    {
        tracing::debug!(%from, %method, route, status, "answered");
    } else {
        tracing::info!(target: "audit", %from, %method, route, status, "requested a change");
    }
}

/// A known name, because callers can invent any number of methods.
fn name_of(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    KNOWN
        .into_iter()
        .find(|known| method.as_str() == *known)
        .unwrap_or("other")
}
