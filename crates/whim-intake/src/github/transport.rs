//! Sends calls to GitHub: credentials, pages, conditional requests, rate limits.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{ETAG, IF_NONE_MATCH, LINK, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use octocrab::Octocrab;
use octocrab::service::middleware::retry::RetryConfig;
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;

use super::GitHubError;

type Body = BoxBody<Bytes, octocrab::Error>;

/// 100 entries each: more labelled issues than anybody watches.
const MAX_PAGES: usize = 50;
/// Beyond this the cache of conditional requests starts anew; it only saves calls.
const MAX_CACHED_PAGES: usize = 1000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// What GitHub asks for when it limits without saying how long:
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.
const UNSPECIFIED_WAIT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
const MAX_MESSAGE_CHARACTERS: usize = 300;

/// GitHub, as one token sees it.
#[derive(Debug)]
pub(crate) struct GitHub {
    octocrab: Octocrab,
    /// The path of the base URL without its last slash: `` for github.com, `/api/v3` for GitHub Enterprise.
    base_path: String,
    cache: RwLock<HashMap<String, CachedPage>>,
    paused_until: RwLock<Option<Instant>>,
}

#[derive(Debug, Clone)]
struct CachedPage {
    etag: HeaderValue,
    body: String,
    next: Option<String>,
}

struct Page {
    body: String,
    next: Option<String>,
}

impl GitHub {
    /// For the REST interface at `base_url`.
    pub(crate) fn new(base_url: &Url, token: SecretString) -> anyhow::Result<Self> {
        let octocrab = Octocrab::builder()
            .base_uri(base_url.as_str())
            .context("GITHUB_API_URL cannot be used")?
            .personal_token(token)
            // A write whose answer is lost may have taken effect: the next look at the issue tells.
            .add_retry_config(RetryConfig::None)
            .set_connect_timeout(Some(CONNECT_TIMEOUT))
            .set_read_timeout(Some(READ_TIMEOUT))
            .build()
            .context("making a client for GitHub")?;
        Ok(Self {
            octocrab,
            base_path: base_url.path().trim_end_matches('/').to_owned(),
            cache: RwLock::default(),
            paused_until: RwLock::default(),
        })
    }

    /// All entries of a list, page after page.
    pub(super) async fn get_all<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &[String],
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, GitHubError> {
        let mut all = Vec::new();
        let mut next = Some(route(path, query));
        let mut pages = 0;
        while let Some(route) = next {
            if pages == MAX_PAGES {
                return Err(GitHubError::TooManyPages { what, pages });
            }
            pages += 1;
            let page = self.get_page(what, &route).await?;
            let entries: Vec<T> =
                serde_json::from_str(&page.body).map_err(|source| GitHubError::Misfit { what, source })?;
            all.extend(entries);
            next = page.next;
        }
        Ok(all)
    }

    pub(super) async fn post(
        &self,
        what: &'static str,
        path: &[String],
        body: &impl Serialize,
    ) -> Result<(), GitHubError> {
        self.check_pause(what)?;
        let response = self.octocrab._post(route(path, &[]), Some(body)).await;
        self.read(what, &route(path, &[]), response).await.map(drop)
    }

    pub(super) async fn delete(&self, what: &'static str, path: &[String]) -> Result<(), GitHubError> {
        self.check_pause(what)?;
        let response = self.octocrab._delete(route(path, &[]), None::<&()>).await;
        self.read(what, &route(path, &[]), response).await.map(drop)
    }

    async fn get_page(&self, what: &'static str, route: &str) -> Result<Page, GitHubError> {
        self.check_pause(what)?;
        let cached = self
            .cache
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(route)
            .cloned();
        let headers = cached
            .as_ref()
            .map(|page| HeaderMap::from_iter([(IF_NONE_MATCH, page.etag.clone())]));
        let response = self.octocrab._get_with_headers(route, headers).await;
        if let (Ok(response), Some(cached)) = (&response, cached)
            && response.status() == StatusCode::NOT_MODIFIED
        {
            return Ok(Page {
                body: cached.body,
                next: cached.next,
            });
        }
        let answer = self.read(what, route, response).await?;
        let next = answer.headers.get(LINK).and_then(|link| self.next_route(link));
        if let Some(etag) = answer.headers.get(ETAG) {
            let page = CachedPage {
                etag: etag.clone(),
                body: answer.body.clone(),
                next: next.clone(),
            };
            let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
            if cache.len() >= MAX_CACHED_PAGES {
                cache.clear();
            }
            cache.insert(route.to_owned(), page);
        }
        Ok(Page {
            body: answer.body,
            next,
        })
    }

    /// The route of the next page in a `Link` header. Only its path and query are used, so that no answer sends our
    /// token to another host.
    fn next_route(&self, link: &HeaderValue) -> Option<String> {
        let link = link.to_str().ok()?;
        let (target, _) = link
            .split(',')
            .filter_map(|entry| entry.split_once(';'))
            .find(|(_, parameters)| parameters.replace(' ', "").contains("rel=\"next\""))?;
        let url = Url::parse(target.trim().strip_prefix('<')?.strip_suffix('>')?).ok()?;
        let path = url.path().strip_prefix(&self.base_path)?;
        Some(match url.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        })
    }

    async fn read(
        &self,
        what: &'static str,
        route: &str,
        response: octocrab::Result<Response<Body>>,
    ) -> Result<Answer, GitHubError> {
        let unreachable = |source| GitHubError::Unreachable {
            what,
            source: Box::new(source),
        };
        let response = response.map_err(unreachable)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self
            .octocrab
            .body_to_string(response)
            .await
            .map_err(unreachable)?;
        if status.is_success() {
            return Ok(Answer { headers, body });
        }
        Err(self.refusal(what, route, status, &headers, &body))
    }

    fn refusal(
        &self,
        what: &'static str,
        route: &str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &str,
    ) -> GitHubError {
        if let Some(wait) = rate_limit(status, headers, body) {
            *self.paused_until.write().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + wait);
            return GitHubError::RateLimited { what, wait };
        }
        match status {
            StatusCode::UNAUTHORIZED => GitHubError::Unauthorized { what },
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                let path = route.split('?').next().unwrap_or(route).to_owned();
                GitHubError::NotFound { what, path }
            }
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

    /// GitHub bans clients that go on calling while they are limited.
    fn check_pause(&self, what: &'static str) -> Result<(), GitHubError> {
        let paused_until = *self.paused_until.read().unwrap_or_else(PoisonError::into_inner);
        let wait = paused_until
            .map(|until| until.saturating_duration_since(Instant::now()))
            .unwrap_or_default();
        if wait.is_zero() {
            Ok(())
        } else {
            Err(GitHubError::RateLimited { what, wait })
        }
    }
}

struct Answer {
    headers: HeaderMap,
    body: String,
}

/// The path and query of a call, percent-encoded: a label may hold any character.
fn route(path: &[String], query: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        url::form_urlencoded::byte_serialize(text.as_bytes())
            .collect::<String>()
            .replace('+', "%20")
    };
    let path: String = path
        .iter()
        .map(|segment| format!("/{}", encode(segment)))
        .collect();
    let query: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    if query.is_empty() {
        path
    } else {
        format!("{path}?{}", query.join("&"))
    }
}

/// How long to wait, when the answer says that the rate of calls is limited.
fn rate_limit(status: StatusCode, headers: &HeaderMap, body: &str) -> Option<Duration> {
    if status != StatusCode::FORBIDDEN && status != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let number = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.trim().parse::<u64>().ok())
    };
    let exhausted = number("x-ratelimit-remaining") == Some(0);
    let wait = match (number(RETRY_AFTER.as_str()), number("x-ratelimit-reset")) {
        (Some(seconds), _) => Duration::from_secs(seconds),
        (None, Some(reset)) if exhausted => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Duration::from_secs(reset).saturating_sub(now)
        }
        (None, _) if status == StatusCode::TOO_MANY_REQUESTS || body.contains("rate limit") => {
            UNSPECIFIED_WAIT
        }
        (None, _) => return None,
    };
    // A second on top, because GitHub's clock and ours differ.
    Some((wait + Duration::from_secs(1)).min(LONGEST_WAIT))
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

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_route_encodes_what_a_label_may_hold() {
        let path = ["repos", "o", "r", "issues", "7", "labels", "good first/issue?"].map(str::to_owned);
        assert_eq!(
            route(&path, &[]),
            "/repos/o/r/issues/7/labels/good%20first%2Fissue%3F"
        );
        assert_eq!(
            route(&path[..2], &[("labels", "a b&c")]),
            "/repos/o?labels=a%20b%26c"
        );
    }

    #[test]
    fn a_limit_lasts_as_long_as_github_says() {
        let limit = |status, pairs: &[(&'static str, &str)]| {
            rate_limit(status, &headers(pairs), "").map(|wait| wait.as_secs())
        };
        assert_eq!(
            limit(StatusCode::TOO_MANY_REQUESTS, &[("retry-after", "30")]),
            Some(31)
        );
        assert_eq!(limit(StatusCode::FORBIDDEN, &[("retry-after", "30")]), Some(31));
        assert_eq!(
            limit(
                StatusCode::FORBIDDEN,
                &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")]
            ),
            Some(1)
        );
        assert_eq!(limit(StatusCode::TOO_MANY_REQUESTS, &[]), Some(61));
        assert_eq!(
            limit(StatusCode::TOO_MANY_REQUESTS, &[("retry-after", "999999")]),
            Some(3600)
        );
        assert_eq!(
            limit(StatusCode::FORBIDDEN, &[("x-ratelimit-remaining", "12")]),
            None
        );
        assert_eq!(limit(StatusCode::NOT_FOUND, &[("retry-after", "30")]), None);
    }

    #[tokio::test]
    async fn the_next_page_is_asked_for_on_our_own_host() {
        whim_service::telemetry::install_crypto();
        let base = Url::parse("https://github.example/api/v3/").unwrap();
        let github = GitHub::new(&base, SecretString::from("token")).unwrap();
        let link = "<https://evil.example/api/v3/repos/o/r/issues?page=1>; rel=\"prev\", <https://evil.example/api/v3/repos/o/r/issues?page=3>; rel=\"next\"";
        assert_eq!(
            github.next_route(&link.parse().unwrap()).as_deref(),
            Some("/repos/o/r/issues?page=3")
        );
        assert_eq!(
            github.next_route(&"<https://github.example/x>; rel=\"last\"".parse().unwrap()),
            None
        );
    }
}
