//! GitHub's REST interface, as far as pull requests need it.

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

use crate::patience::{Retry, Temporary};
use crate::text::shorten;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For a whole call; opening a pull request on a large repository takes GitHub some seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// What GitHub asks for when it limits without saying how long:
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.
const UNSPECIFIED_WAIT: Duration = Duration::from_secs(60);
const MAX_MESSAGE_CHARACTERS: usize = 500;

/// GitHub's REST interface with one token.
#[derive(Debug)]
pub struct Api {
    octocrab: Octocrab,
}

/// A call of GitHub failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// It is not available, or limits the rate of calls.
    #[error("GitHub is not available ({status})")]
    Away {
        /// The HTTP status.
        status: StatusCode,
        /// How long it asks to wait, where it does.
        wait: Option<Duration>,
    },
    /// There is no answer.
    #[error("reaching GitHub")]
    Unreachable {
        /// Why.
        #[source]
        source: anyhow::Error,
    },
    /// It refuses for good.
    #[error("GitHub refused ({status}): {message}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// Its words.
        message: String,
    },
    /// The answer is not GitHub's.
    #[error("GitHub's answer was not understood; check GITHUB_API_URL")]
    Misfit {
        /// Why.
        source: serde_json::Error,
    },
}

impl Temporary for ApiError {
    fn retry(&self) -> Retry {
        match self {
            Self::Away { wait, .. } => wait.map_or(Retry::Soon, Retry::After),
            Self::Unreachable { .. } => Retry::Soon,
            Self::Refused { .. } | Self::Misfit { .. } => Retry::Pointless,
        }
    }
}

impl Api {
    /// For the interface at `base_url`. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// The URL cannot be used.
    pub fn new(base_url: &Url, token: SecretString) -> anyhow::Result<Self> {
        let octocrab = Octocrab::builder()
            .base_uri(base_url.as_str())
            .context("GITHUB_API_URL cannot be used")?
            .personal_token(token)
            // A pull request that was opened although the answer got lost must be found, not opened again.
            .add_retry_config(RetryConfig::None)
            .set_connect_timeout(Some(CONNECT_TIMEOUT))
            .set_read_timeout(Some(CALL_TIMEOUT))
            .build()
            .context("making an HTTP client for GitHub")?;
        Ok(Self { octocrab })
    }

    /// `GET` of `path`, which begins with a slash.
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

    /// `POST` of `body` to `path`, which begins with a slash.
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
        let whole = async {
            let request = http::Request::builder().method(method).uri(uri);
            let request = self.octocrab.build_request(request, body)?;
            let response = self.octocrab.execute(request).await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok::<_, octocrab::Error>((status, headers, self.octocrab.body_to_string(response).await?))
        };
        let (status, headers, body) = timeout(CALL_TIMEOUT, whole)
            .await
            .context("no answer in time")
            .and_then(|answer| Ok(answer?))
            .map_err(|source| ApiError::Unreachable { source })?;
        if status.is_success() {
            return serde_json::from_str(&body).map_err(|source| ApiError::Misfit { source });
        }
        Err(refusal(status, &headers, &body))
    }
}

fn refusal(status: StatusCode, headers: &HeaderMap, body: &str) -> ApiError {
    if let Some(wait) = limit(status, headers) {
        return ApiError::Away {
            status,
            wait: Some(wait),
        };
    }
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        return ApiError::Away { status, wait: None };
    }
    ApiError::Refused {
        status,
        message: message(body),
    }
}

/// How long GitHub wants to be left alone, where the answer says that it limits the rate of calls. 403 may mean that, or
/// that the token may not do something: the headers tell.
fn limit(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
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
        return Some(reset.map_or(UNSPECIFIED_WAIT, |reset| reset.saturating_sub(now)));
    }
    (status == StatusCode::TOO_MANY_REQUESTS).then_some(UNSPECIFIED_WAIT)
}

/// `message` and the messages below `errors`, which say what is wrong in particular.
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

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> ApiError {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        refusal(StatusCode::from_u16(status).unwrap(), &headers, body)
    }

    #[test]
    fn limits_and_refusals_with_one_status_are_told_apart() {
        let limited = answer(403, &[("retry-after", "7")], "{}");
        assert_eq!(limited.retry(), Retry::After(Duration::from_secs(7)));
        let used_up = answer(
            403,
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")],
            "{}",
        );
        assert_eq!(used_up.retry(), Retry::After(Duration::ZERO));
        let too_many = answer(429, &[], "{}");
        assert_eq!(too_many.retry(), Retry::After(UNSPECIFIED_WAIT));
        let refused = answer(
            403,
            &[("x-ratelimit-remaining", "59")],
            r#"{"message": "Resource not accessible"}"#,
        );
        assert_eq!(refused.retry(), Retry::Pointless);
        assert_eq!(
            refused.to_string(),
            "GitHub refused (403 Forbidden): Resource not accessible"
        );
        assert_eq!(answer(502, &[], "<html>").retry(), Retry::Soon);
    }

    #[test]
    fn a_refusal_says_what_is_wrong_in_particular() {
        let body = r#"{"message": "Validation Failed", "errors": [
            {"resource": "PullRequest", "code": "custom", "message": "No commits between main and x"},
            {"resource": "PullRequest", "field": "base", "code": "invalid"}]}"#;
        assert_eq!(
            answer(422, &[], body).to_string(),
            "GitHub refused (422 Unprocessable Entity): Validation Failed; No commits between main and x; base: invalid"
        );
    }
}
