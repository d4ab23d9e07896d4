//! Redirects of a repository that was renamed or transferred:
//! <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api>.

use http::header::LOCATION;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

/// The URL to which the same request is sent again, if the response is a redirect.
///
/// Only on the host of `base`: another one must not get the token. A write is repeated only for statuses that keep the method
/// (RFC 9110, section 15.4).
pub fn redirect_target(
    method: &Method,
    request: &Url,
    base: &Url,
    status: StatusCode,
    headers: &HeaderMap,
) -> Option<Url> {
    let is_followed = match status {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => *method == Method::GET,
        _ => false,
    };
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let target = request.join(location).ok()?;
    (is_followed && target.origin() == base.origin()).then_some(target)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_request_is_repeated_on_the_same_host_only() {
        let target = |method: Method, status, location| {
            let base = Url::parse("https://api.github.com").unwrap();
            let request = base.join("/repos/old/name/pulls").unwrap();
            let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(location))]);
            let status = StatusCode::from_u16(status).unwrap();
            redirect_target(&method, &request, &base, status, &headers).map(|url| url.to_string())
        };
        let moved = "https://api.github.com/repositories/7/pulls";
        for (method, status, location, expected) in [
            (Method::GET, 301, moved, Some(moved)),
            (Method::GET, 301, "/repositories/7/pulls", Some(moved)),
            (Method::POST, 307, moved, Some(moved)),
            (Method::POST, 308, moved, Some(moved)),
            (Method::POST, 301, moved, None),
            (Method::POST, 302, moved, None),
            (Method::GET, 200, moved, None),
            (Method::GET, 301, "https://evil.example/repositories/7", None),
            (Method::POST, 307, "http://api.github.com/repositories/7", None),
        ] {
            assert_eq!(
                target(method, status, location).as_deref(),
                expected,
                "{status} {location}"
            );
        }
    }
}
