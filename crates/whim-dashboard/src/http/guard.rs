//! Refuses what pages of other sites send (docs/attacks.md, row 27).

use axum::extract::{Request, State};
use axum::http::header::ORIGIN;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use url::Url;

use super::state::Dashboard;
use crate::error::ApiError;
use crate::metrics::{self, Refusal};

/// Browsers send it to this machine and over TLS, and pages cannot change it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The host and port that a request names, and that the dashboard answers to.
#[derive(Clone, Debug)]
struct OwnHost(Authority);

/// DNS rebinding: a page of another name that resolves to this address.
pub(super) async fn refuse_foreign_hosts(
    State(dashboard): State<Dashboard>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(host) = dashboard.hosts.of(request.uri(), request.headers()) else {
        metrics::refused(Refusal::Host);
        let error =
            "the dashboard does not answer to this host name: add it to DASHBOARD_HOSTS if it is yours";
        return ApiError::forbidden(error).into_response();
    };
    request.extensions_mut().insert(OwnHost(host));
    next.run(request).await
}

/// Cross-site request forgery: a page of another site, port or scheme that sends a change with the cookies of a person.
/// Programs that are no browsers send neither header, and need a session like everyone.
pub(super) async fn refuse_foreign_changes(request: Request, next: Next) -> Response {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let own = request.extensions().get::<OwnHost>();
    if is_safe || own.is_some_and(|OwnHost(own)| is_same_origin(request.headers(), own)) {
        return next.run(request).await;
    }
    foreign("pages of other sites may not change anything here")
}

/// Answers have no CORS headers, so other sites cannot read them; but they should not cause work either.
pub(super) async fn refuse_foreign_reads(request: Request, next: Next) -> Response {
    if fetch_site(request.headers()).is_none_or(is_own) {
        return next.run(request).await;
    }
    foreign("pages of other sites may not call this API")
}

fn foreign(error: &'static str) -> Response {
    metrics::refused(Refusal::Origin);
    ApiError::forbidden(error).into_response()
}

fn is_same_origin(headers: &HeaderMap, own: &Authority) -> bool {
    // Decides alone: behind a proxy, the port of the origin may be missing in the name of the host.
    if let Some(site) = fetch_site(headers) {
        return is_own(site);
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => true,
        (Some(origin), None) => origin.to_str().is_ok_and(|origin| is_origin_of(origin, own)),
        (Some(_), Some(_)) => false,
    }
}

fn fetch_site(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes())
}

/// `none` is an address that a person typed.
fn is_own(site: &[u8]) -> bool {
    matches!(site, b"same-origin" | b"none")
}

fn is_origin_of(origin: &str, own: &Authority) -> bool {
    let Ok(origin) = Url::parse(origin) else {
        return false;
    };
    let host = origin.host_str().unwrap_or_default();
    let default_port = match origin.scheme() {
        "http" => 80,
        "https" => 443,
        _other => return false,
    };
    host.eq_ignore_ascii_case(own.host())
        && origin.port().unwrap_or(default_port) == own.port_u16().unwrap_or(default_port)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn accepts(own: &'static str, headers: &[(HeaderName, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        is_same_origin(&headers, &Authority::from_static(own))
    }

    #[test]
    fn only_the_own_origin_may_change_something() {
        for (own, origin) in [
            ("localhost:3003", "http://localhost:3003"),
            ("LOCALHOST:3003", "http://localhost:3003"),
            ("whim.example.org", "https://whim.example.org"),
            ("whim.example.org", "http://whim.example.org"),
            ("whim.example.org:443", "https://whim.example.org"),
            ("[::1]:3003", "http://[::1]:3003"),
        ] {
            assert!(accepts(own, &[(ORIGIN, origin)]), "{own} from {origin}");
        }
        for (own, origin) in [
            ("localhost:3003", "http://localhost:8000"),
            ("localhost:3003", "http://localhost"),
            ("localhost:3003", "http://127.0.0.1:3003"),
            ("localhost:3003", "http://evil.example"),
            ("localhost:3003", "http://localhost:3003.evil.example"),
            ("localhost:3003", "null"),
            ("localhost:3003", ""),
            ("localhost:3003", "file://localhost:3003"),
            ("whim.example.org", "https://sub.whim.example.org"),
        ] {
            assert!(!accepts(own, &[(ORIGIN, origin)]), "{own} from {origin}");
        }
    }

    #[test]
    fn the_judgement_of_the_browser_takes_precedence() {
        let own = "whim.example.org";
        let origin = (ORIGIN, "https://whim.example.org:8443");
        assert!(accepts(own, &[(SEC_FETCH_SITE, "same-origin"), origin]));
        for site in ["cross-site", "same-site", "", "nonsense"] {
            let origin = (ORIGIN, "https://whim.example.org");
            assert!(!accepts(own, &[(SEC_FETCH_SITE, site), origin]), "{site}");
        }
    }
}
