//! Sends calls to GitHub: credentials, redirects, errors.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, IF_NONE_MATCH, USER_AGENT};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;
use whim_github::{error_message, redirect_target, requested_wait};

use super::error::GitHubError;
use super::pages::PageCache;
use super::rate_limit::RateLimit;
use super::write_pace::WritePace;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For one call with its whole response.
const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_MESSAGE_CHARACTERS: usize = 300;
/// <https://docs.github.com/en/rest/about-the-rest-api/api-versions>.
const API_VERSION: &str = "2022-11-28";
/// Which permissions would have sufficed, for example `issues=write`.
const ACCEPTED_PERMISSIONS: &str = "x-accepted-github-permissions";
const USER_AGENT_VALUE: &str = concat!("whim-intake/", env!("CARGO_PKG_VERSION"));

/// A client with one token.
#[derive(Debug)]
pub(crate) struct GitHub {
    http: reqwest::Client,
    pub(super) base_url: Url,
    pub(super) pages: PageCache,
    rate_limit: RateLimit,
    write_pace: WritePace,
}

/// `what` is its purpose, for errors.
pub(super) struct Call<'a> {
    pub(super) what: &'static str,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) etag: Option<HeaderValue>,
    pub(super) body: Option<&'a Value>,
}

pub(super) struct Response {
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl GitHub {
    /// Writes are at least `write_interval` apart.
    ///
    /// # Errors
    /// The token is not valid in a header, or no TLS implementation is installed.
    pub(crate) fn new(base_url: Url, token: &SecretString, write_interval: Duration) -> anyhow::Result<Self> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .context("GITHUB_TOKEN cannot be used")?;
        authorization.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, authorization),
            (ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
            (USER_AGENT, HeaderValue::from_static(USER_AGENT_VALUE)),
            (
                reqwest::header::HeaderName::from_static("x-github-api-version"),
                HeaderValue::from_static(API_VERSION),
            ),
        ]);
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // `redirect_target` decides which calls may be sent again, and to which host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("building the client of GitHub")?;
        Ok(Self {
            http,
            base_url,
            pages: PageCache::default(),
            rate_limit: RateLimit::default(),
            write_pace: WritePace::new(write_interval),
        })
    }

    /// One resource.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &[&str],
    ) -> Result<T, GitHubError> {
        let call = Call {
            what,
            method: Method::GET,
            url: self.url(path),
            etag: None,
            body: None,
        };
        parse(what, self.call(&call).await?.as_ref())
    }

    /// One resource, and the headers of the response.
    pub(super) async fn get_with_headers<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &[&str],
    ) -> Result<(T, HeaderMap), GitHubError> {
        let call = Call {
            what,
            method: Method::GET,
            url: self.url(path),
            etag: None,
            body: None,
        };
        let response = self.call(&call).await?;
        let body = parse(what, response.as_ref())?;
        let headers = response.map(|response| response.headers);
        Ok((body, headers.unwrap_or_default()))
    }

    /// A query of the GraphQL API.
    pub(super) async fn graphql<T: DeserializeOwned>(
        &self,
        what: &'static str,
        body: &Value,
    ) -> Result<T, GitHubError> {
        let call = Call {
            what,
            method: Method::POST,
            url: self.graphql_url(),
            etag: None,
            body: Some(body),
        };
        parse(what, self.call(&call).await?.as_ref())
    }

    /// `https://api.github.com/graphql`, and `https://HOST/api/graphql` beside `https://HOST/api/v3`.
    fn graphql_url(&self) -> Url {
        let mut url = self.base_url.clone();
        let path = url.path().trim_end_matches('/');
        let path = format!("{}/graphql", path.strip_suffix("/v3").unwrap_or(path));
        url.set_path(&path);
        url
    }

    pub(super) async fn patch(
        &self,
        what: &'static str,
        path: &[&str],
        body: &Value,
    ) -> Result<(), GitHubError> {
        self.write(what, Method::PATCH, path, Some(body)).await
    }

    pub(super) async fn post(
        &self,
        what: &'static str,
        path: &[&str],
        body: &Value,
    ) -> Result<(), GitHubError> {
        self.write(what, Method::POST, path, Some(body)).await
    }

    pub(super) async fn delete(&self, what: &'static str, path: &[&str]) -> Result<(), GitHubError> {
        self.write(what, Method::DELETE, path, None).await
    }

    async fn write(
        &self,
        what: &'static str,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<(), GitHubError> {
        let call = Call {
            what,
            method,
            url: self.url(path),
            etag: None,
            body,
        };
        self.write_pace.wait().await;
        self.call(&call).await.map(drop)
    }

    /// `None` for 304.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Option<Response>, GitHubError> {
        let what = call.what;
        if let Some(wait) = self.rate_limit.blocks() {
            return Err(GitHubError::RateLimited { what, wait });
        }
        let unreachable = |source: reqwest::Error| GitHubError::Unreachable {
            what,
            // The base URL may contain a password.
            source: source.without_url(),
        };
        let mut response = self.send(call, call.url.clone()).await.map_err(unreachable)?;
        let moved = redirect_target(
            &call.method,
            response.url(),
            &self.base_url,
            response.status(),
            response.headers(),
        );
        if let Some(moved) = moved {
            tracing::debug!(%moved, "the repository was renamed: following a redirect");
            response = self.send(call, moved).await.map_err(unreachable)?;
        }
        let status = response.status();
        if status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let headers = response.headers().clone();
        let body = response.text().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok(Some(Response { headers, body }));
        }
        Err(self.error(call, status, &headers, &body))
    }

    async fn send(&self, call: &Call<'_>, url: Url) -> reqwest::Result<reqwest::Response> {
        let mut request = self.http.request(call.method.clone(), url);
        if let Some(etag) = &call.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(body) = call.body {
            request = request.json(body);
        }
        request.send().await
    }

    fn error(&self, call: &Call<'_>, status: StatusCode, headers: &HeaderMap, body: &str) -> GitHubError {
        let what = call.what;
        if let Some(wait) = requested_wait(status, headers, body) {
            self.rate_limit.extend(wait);
            return GitHubError::RateLimited { what, wait };
        }
        match status {
            StatusCode::UNAUTHORIZED => GitHubError::Unauthorized { what },
            StatusCode::NOT_FOUND | StatusCode::GONE => GitHubError::NotFound {
                what,
                path: call.url.path().to_owned(),
            },
            status if status.is_server_error() => GitHubError::Unavailable {
                what,
                status: status.as_u16(),
            },
            status => GitHubError::Refused {
                what,
                status: status.as_u16(),
                message: refusal(headers, body),
            },
        }
    }

    /// Percent-encodes the segments, because a label may contain any character.
    pub(super) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base_url.clone();
        // Fails only for URLs without a host, which the settings do not accept.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

fn parse<T: DeserializeOwned>(what: &'static str, response: Option<&Response>) -> Result<T, GitHubError> {
    let body = response.map(|response| response.body.as_str());
    serde_json::from_str(body.unwrap_or_default())
        .map_err(|source| GitHubError::UnexpectedResponse { what, source })
}

/// GitHub's message, and the permissions that it names in a header.
fn refusal(headers: &HeaderMap, body: &str) -> String {
    let message: String = error_message(body).chars().take(MAX_MESSAGE_CHARACTERS).collect();
    let needed = headers.get(ACCEPTED_PERMISSIONS);
    match needed.and_then(|needed| needed.to_str().ok()) {
        Some(needed) if !needed.is_empty() => format!("{message} (needs {needed})"),
        Some(_) | None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn github(base_url: &str) -> GitHub {
        whim_service::telemetry::install_crypto();
        GitHub::new(
            Url::parse(base_url).unwrap(),
            &SecretString::from("token"),
            Duration::ZERO,
        )
        .unwrap()
    }

    #[test]
    fn the_characters_of_a_label_are_percent_encoded() {
        let path = ["repos", "o", "r", "labels", "good first/issue?#"];
        for (base_url, expected) in [
            (
                "https://api.github.com",
                "https://api.github.com/repos/o/r/labels/good%20first%2Fissue%3F%23",
            ),
            (
                "https://github.example/api/v3/",
                "https://github.example/api/v3/repos/o/r/labels/good%20first%2Fissue%3F%23",
            ),
        ] {
            assert_eq!(github(base_url).url(&path).as_str(), expected);
        }
    }

    #[test]
    fn a_refusal_names_the_missing_permission() {
        let body = r#"{"message":"Resource not accessible by personal access token"}"#;
        let mut headers = HeaderMap::new();
        assert_eq!(
            refusal(&headers, body),
            "Resource not accessible by personal access token"
        );
        headers.insert(ACCEPTED_PERMISSIONS, HeaderValue::from_static("issues=write"));
        let expected = "Resource not accessible by personal access token (needs issues=write)";
        assert_eq!(refusal(&headers, body), expected);
    }

    #[test]
    fn the_graphql_api_is_beside_the_rest_api() {
        for (base_url, expected) in [
            ("https://api.github.com", "https://api.github.com/graphql"),
            (
                "https://github.example/api/v3/",
                "https://github.example/api/graphql",
            ),
        ] {
            assert_eq!(github(base_url).graphql_url().as_str(), expected);
        }
    }

    #[test]
    fn debug_output_does_not_contain_the_token() {
        let shown = format!("{:?}", github("https://api.github.com"));
        assert!(!shown.contains("token"), "{shown}");
    }
}
