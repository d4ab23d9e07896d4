//! The token in a request's headers.

use axum::http::{HeaderMap, HeaderName, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// `x-api-key`, or a bearer token: as clients of the model API send it.
pub(crate) fn of_model_client(headers: &HeaderMap) -> Option<String> {
    text(headers, &API_KEY)
        .map(str::to_owned)
        .or_else(|| scheme(headers, &header::AUTHORIZATION, "bearer").map(str::to_owned))
}

/// `Bearer` or `token`, as clients of GitHub's API send it.
pub(crate) fn of_github_client(headers: &HeaderMap) -> Option<String> {
    let header = &header::AUTHORIZATION;
    scheme(headers, header, "bearer")
        .or_else(|| scheme(headers, header, "token"))
        .map(str::to_owned)
}

/// The password of `Basic`, as git sends it.
pub(crate) fn of_git(headers: &HeaderMap) -> Option<String> {
    password(headers, &header::AUTHORIZATION)
}

/// The password of `Basic` in `Proxy-Authorization`: that of the URL in `HTTPS_PROXY`.
pub(crate) fn of_proxy_client(headers: &HeaderMap) -> Option<String> {
    password(headers, &header::PROXY_AUTHORIZATION)
}

fn password(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let decoded = STANDARD.decode(scheme(headers, name, "basic")?).ok()?;
    let (_user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(password.to_owned())
}

fn scheme<'a>(headers: &'a HeaderMap, name: &HeaderName, expected: &str) -> Option<&'a str> {
    let (scheme, credentials) = text(headers, name)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case(expected).then(|| credentials.trim())
}

/// `None` for a header that is repeated: programs differ in which of the two they read.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for &(name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn each_client_has_its_own_way_to_send_a_token() {
        assert_eq!(
            of_model_client(&headers(&[("x-api-key", "t")])),
            Some("t".to_owned())
        );
        let bearer = headers(&[("authorization", "Bearer t")]);
        assert_eq!(of_model_client(&bearer), Some("t".to_owned()));
        assert_eq!(of_github_client(&bearer), Some("t".to_owned()));
        assert_eq!(
            of_github_client(&headers(&[("authorization", "token t")])),
            Some("t".to_owned())
        );
        // x-access-token:t
        let basic = "Basic eC1hY2Nlc3MtdG9rZW46dA==";
        assert_eq!(
            of_git(&headers(&[("authorization", basic)])),
            Some("t".to_owned())
        );
        assert_eq!(
            of_proxy_client(&headers(&[("proxy-authorization", basic)])),
            Some("t".to_owned())
        );
        assert_eq!(of_git(&bearer), None);
        assert_eq!(of_proxy_client(&headers(&[("authorization", basic)])), None);
    }

    #[test]
    fn a_repeated_header_is_no_token() {
        let twice = headers(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]);
        assert_eq!(of_model_client(&twice), None);
        assert_eq!(of_github_client(&twice), None);
    }
}
