//! Sends calls to GitHub: credentials, pages, conditional requests, redirects, refusals.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, LINK, LOCATION, USER_AGENT,
};
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::GitHubError;
use super::limits::{Pause, wait_asked_for};
use super::pages::{CachedPage, MAX_PAGES, PageCache, next_page};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For one call with its whole answer.
const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_MESSAGE_CHARACTERS: usize = 300;
/// The version of the interface that this was written for:
/// <https://docs.github.com/en/rest/about-the-rest-api/api-versions>.
const API_VERSION: &str = "2022-11-28";
const PROGRAM: &str = concat!("whim-intake/", env!("CARGO_PKG_VERSION"));

/// GitHub, as one token sees it.
#[derive(Debug)]
pub(crate) struct GitHub {
    http: reqwest::Client,
    base_url: Url,
    pages: PageCache,
    pause: Pause,
}

/// A call of which `what` says what it is for.
struct Call<'a> {
    what: &'static str,
    method: Method,
    url: Url,
    etag: Option<HeaderValue>,
    body: Option<&'a Value>,
}

struct Answer {
    headers: HeaderMap,
    body: String,
}

impl GitHub {
    /// For the REST interface at `base_url`.
    ///
    /// # Errors
    /// The token cannot stand in a header, or no TLS implementation is installed.
    pub(crate) fn new(base_url: Url, token: &SecretString) -> anyhow::Result<Self> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .context("GITHUB_TOKEN cannot be used")?;
        authorization.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, authorization),
            (ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
            (USER_AGENT, HeaderValue::from_static(PROGRAM)),
            (
                reqwest::header::HeaderName::from_static("x-github-api-version"),
                HeaderValue::from_static(API_VERSION),
            ),
        ]);
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // Followed here, where it is known what may be sent again, and to where.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("making a client for GitHub")?;
        Ok(Self {
            http,
            base_url,
            pages: PageCache::default(),
            pause: Pause::default(),
        })
    }

    /// All entries of a list, page after page.
    pub(super) async fn get_all<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, GitHubError> {
        let mut first = self.url(path);
        first.query_pairs_mut().extend_pairs(query);
        let mut all = Vec::new();
        let mut next = Some(first);
        let mut pages = 0;
        while let Some(url) = next {
            if pages == MAX_PAGES {
                return Err(GitHubError::TooManyPages { what, pages });
            }
            pages += 1;
            let (entries, following) = self.get_page(what, url).await?;
            all.extend(entries);
            next = following;
        }
        Ok(all)
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
        self.call(&call).await.map(drop)
    }

    async fn get_page<T: DeserializeOwned>(
        &self,
        what: &'static str,
        url: Url,
    ) -> Result<(Vec<T>, Option<Url>), GitHubError> {
        let parse = |body: &str| {
            serde_json::from_str::<Vec<T>>(body).map_err(|source| GitHubError::Misfit { what, source })
        };
        let cached = self.pages.get(&url);
        let call = Call {
            what,
            method: Method::GET,
            url,
            etag: cached.as_ref().map(|page| page.etag.clone()),
            body: None,
        };
        match (self.call(&call).await?, cached) {
            (Some(answer), _) => {
                let entries = parse(&answer.body)?;
                let next = answer
                    .headers
                    .get(LINK)
                    .and_then(|link| next_page(&self.base_url, link));
                if let Some(etag) = answer.headers.get(ETAG).cloned() {
                    let page = CachedPage {
                        etag,
                        body: answer.body,
                        next: next.clone(),
                    };
                    self.pages.keep(call.url, page, entries.len());
                }
                Ok((entries, next))
            }
            (None, Some(cached)) => Ok((parse(&cached.body)?, cached.next)),
            // "Not modified" without a condition.
            (None, None) => Err(GitHubError::Refused {
                what,
                status: StatusCode::NOT_MODIFIED.as_u16(),
                message: String::new(),
            }),
        }
    }

    /// The answer; `None` when it is that nothing has changed.
    async fn call(&self, call: &Call<'_>) -> Result<Option<Answer>, GitHubError> {
        let what = call.what;
        if let Some(wait) = self.pause.left() {
            return Err(GitHubError::RateLimited { what, wait });
        }
        let unreachable = |source: reqwest::Error| GitHubError::Unreachable {
            what,
            // The base URL may hold a password.
            source: source.without_url(),
        };
        let mut response = self.send(call, call.url.clone()).await.map_err(unreachable)?;
        if let Some(moved) = self.redirect(&call.method, &response) {
            tracing::debug!(%moved, "GitHub has it elsewhere: the repository was renamed");
            response = self.send(call, moved).await.map_err(unreachable)?;
        }
        let status = response.status();
        if status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let headers = response.headers().clone();
        let body = response.text().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok(Some(Answer { headers, body }));
        }
        Err(self.refusal(call, status, &headers, &body))
    }

    async fn send(&self, call: &Call<'_>, url: Url) -> reqwest::Result<Response> {
        let mut request = self.http.request(call.method.clone(), url);
        if let Some(etag) = &call.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(body) = call.body {
            request = request.json(body);
        }
        request.send().await
    }

    /// Where a renamed repository is now. Only on GitHub itself: another host would get the token. A write is sent
    /// again only where the answer says that it was not done (RFC 9110, section 15.4).
    fn redirect(&self, method: &Method, response: &Response) -> Option<Url> {
        let follow = match response.status() {
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => *method == Method::GET,
            _ => false,
        };
        let location = response.headers().get(LOCATION)?.to_str().ok()?;
        let target = response.url().join(location).ok()?;
        (follow && target.origin() == self.base_url.origin()).then_some(target)
    }

    fn refusal(&self, call: &Call<'_>, status: StatusCode, headers: &HeaderMap, body: &str) -> GitHubError {
        let what = call.what;
        if let Some(wait) = wait_asked_for(status, headers, body) {
            self.pause.extend(wait);
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
                message: message(body),
            },
        }
    }

    /// The address of a call; the segments are percent-encoded, because a label may hold any character.
    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base_url.clone();
        // Fails only for URLs without a host, and those are no setting.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

fn message(body: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Error {
        message: String,
    }
    let message = serde_json::from_str::<Error>(body).map_or_else(|_| body.to_owned(), |error| error.message);
    message.chars().take(MAX_MESSAGE_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn github(base_url: &str) -> GitHub {
        whim_service::telemetry::install_crypto();
        GitHub::new(Url::parse(base_url).unwrap(), &SecretString::from("token")).unwrap()
    }

    #[test]
    fn an_address_encodes_what_a_label_may_hold() {
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
    fn the_token_is_not_shown() {
        let shown = format!("{:?}", github("https://api.github.com"));
        assert!(!shown.contains("token"), "{shown}");
    }
}
