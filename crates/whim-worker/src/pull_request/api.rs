//! A minimal client for GitHub's REST API.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Method, StatusCode};
use octocrab::Octocrab;
use octocrab::service::middleware::retry::RetryConfig;
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;
use url::{Url, form_urlencoded};

use crate::retry::{Retry, Retryable};
use crate::text::shorten;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For a whole request. Opening a pull request on a large repository takes GitHub some seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// The delay that GitHub recommends for rate limits without a reset time:
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.
const DEFAULT_RATE_LIMIT_DELAY: Duration = Duration::from_secs(60);
const MAX_MESSAGE_CHARACTERS: usize = 500;

#[derive(Debug)]
pub struct Api {
    octocrab: Octocrab,
}

#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// A server error or a rate limit.
    #[error("GitHub is unavailable ({status})")]
    Unavailable {
        status: StatusCode,
        /// Time until the reset of a rate limit.
        retry_after: Option<Duration>,
    },
    /// No response.
    #[error("requesting GitHub")]
    Unreachable {
        #[source]
        source: anyhow::Error,
    },
    #[error("GitHub refused ({status}): {message}")]
    Refused {
        status: StatusCode,
        /// From the response.
        message: String,
    },
    #[error("the response is not one of GitHub's API; check GITHUB_API_URL")]
    InvalidResponse { source: serde_json::Error },
}

impl Retryable for ApiError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unavailable { retry_after, .. } => retry_after.map_or(Retry::Backoff, Retry::After),
            Self::Unreachable { .. } => Retry::Backoff,
            Self::Refused { .. } | Self::InvalidResponse { .. } => Retry::Never,
        }
    }
}

impl Api {
    /// Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// `base_url` is not usable.
    pub fn new(base_url: &Url, token: SecretString) -> anyhow::Result<Self> {
        let octocrab = Octocrab::builder()
            .base_uri(base_url.as_str())
            .context("GITHUB_API_URL is not usable")?
            .personal_token(token)
            // No automatic retries: a pull request whose response was lost must be found, not opened again.
            .add_retry_config(RetryConfig::None)
            .set_connect_timeout(Some(CONNECT_TIMEOUT))
            .set_read_timeout(Some(CALL_TIMEOUT))
            .build()
            .context("creating an HTTP client for GitHub")?;
        Ok(Self { octocrab })
    }

    /// `GET` of `path`, which must start with a slash.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, ApiError> {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query)
            .finish();
        self.call(Method::GET, format!("{path}?{query}"), None::<&()>)
            .await
    }

    /// `POST` of `body` to `path`, which must start with a slash.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ApiError> {
        self.call(Method::POST, path.to_owned(), Some(body)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        uri: String,
        body: Option<&impl Serialize>,
    ) -> Result<T, ApiError> {
        let exchange = async {
            let request = http::Request::builder().method(method).uri(uri);
            let request = self.octocrab.build_request(request, body)?;
            let response = self.octocrab.execute(request).await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok::<_, octocrab::Error>((status, headers, self.octocrab.body_to_string(response).await?))
        };
        let (status, headers, body) = timeout(CALL_TIMEOUT, exchange)
            .await
            .context("the request timed out")
            .and_then(|response| Ok(response?))
            .map_err(|source| ApiError::Unreachable { source })?;
        if status.is_success() {
            return serde_json::from_str(&body).map_err(|source| ApiError::InvalidResponse { source });
        }
        Err(error_of(status, &headers, &body))
    }
}

fn error_of(status: StatusCode, headers: &HeaderMap, body: &str) -> ApiError {
    if let Some(delay) = rate_limit_delay(status, headers) {
        return ApiError::Unavailable {
            status,
            retry_after: Some(delay),
        };
    }
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        return ApiError::Unavailable {
            status,
            retry_after: None,
        };
    }
    ApiError::Refused {
        status,
        message: message(body),
    }
}

/// Time until the reset of a rate limit; `None` if the response is not one. A 403 can be a rate limit or a missing
/// permission, which only the headers distinguish.
fn rate_limit_delay(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if !matches!(status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
        return None;
    }
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    if let Some(seconds) = number(RETRY_AFTER.as_str()) {
        return Some(Duration::from_secs(seconds));
    }
    if number("x-ratelimit-remaining") == Some(0) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let reset = number("x-ratelimit-reset").map(Duration::from_secs);
        return Some(reset.map_or(DEFAULT_RATE_LIMIT_DELAY, |reset| reset.saturating_sub(now)));
    }
    (status == StatusCode::TOO_MANY_REQUESTS).then_some(DEFAULT_RATE_LIMIT_DELAY)
}

/// `message` and the messages below `errors`, which have the details.
fn message(body: &str) -> String {
    let Ok(body) = serde_json::from_str::<Value>(body) else {
        return shorten(body, MAX_MESSAGE_CHARACTERS);
    };
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let mut parts: Vec<String> = text(&body, "message").into_iter().collect();
    for error in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        match (text(error, "message"), text(error, "field"), text(error, "code")) {
            (Some(message), ..) => parts.push(message),
            (None, Some(field), Some(code)) => parts.push(format!("{field}: {code}")),
            (None, ..) => {}
        }
    }
    shorten(&parts.join("; "), MAX_MESSAGE_CHARACTERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> ApiError {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        error_of(StatusCode::from_u16(status).unwrap(), &headers, body)
    }

    #[test]
    fn rate_limits_and_refusals_with_the_same_status_are_distinguished() {
        let limited = response(403, &[("retry-after", "7")], "{}");
        assert_eq!(limited.retry(), Retry::After(Duration::from_secs(7)));
        let used_up = response(
            403,
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")],
            "{}",
        );
        assert_eq!(used_up.retry(), Retry::After(Duration::ZERO));
        let too_many = response(429, &[], "{}");
        assert_eq!(too_many.retry(), Retry::After(DEFAULT_RATE_LIMIT_DELAY));
        let refused = response(
            403,
            &[("x-ratelimit-remaining", "59")],
            r#"{"message": "Resource not accessible"}"#,
        );
        assert_eq!(refused.retry(), Retry::Never);
        assert_eq!(
            refused.to_string(),
            "GitHub refused (403 Forbidden): Resource not accessible"
        );
        assert_eq!(response(502, &[], "<html>").retry(), Retry::Backoff);
    }

    #[test]
    fn a_refusal_contains_the_details() {
        let body = r#"{"message": "Validation Failed", "errors": [
            {"resource": "PullRequest", "code": "custom", "message": "No commits between main and x"},
            {"resource": "PullRequest", "field": "base", "code": "invalid"}]}"#;
        assert_eq!(
            response(422, &[], body).to_string(),
            "GitHub refused (422 Unprocessable Entity): Validation Failed; No commits between main and x; base: invalid"
        );
    }
}
