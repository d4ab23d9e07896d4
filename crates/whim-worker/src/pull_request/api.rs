//! A minimal client for GitHub's REST API.

use std::time::Duration;

use anyhow::Context as _;
use http::{HeaderMap, Method, StatusCode};
use octocrab::Octocrab;
use octocrab::service::middleware::retry::RetryConfig;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::timeout;
use url::{Url, form_urlencoded};
use whim_github::{error_message, redirect_target, requested_wait};

use crate::retry::{Retry, Retryable};
use crate::text::shorten;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For a whole request. Opening a pull request on a large repository takes GitHub some seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// What a 403 lacks, for example `pull_requests=write`.
const ACCEPTED_PERMISSIONS: &str = "x-accepted-github-permissions";
const MAX_MESSAGE_CHARACTERS: usize = 500;

#[derive(Debug)]
pub struct Api {
    octocrab: Octocrab,
    /// For GraphQL, whose address has another path on GitHub Enterprise Server.
    graphql: Octocrab,
    base_url: Url,
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
        // `https://api.github.com/graphql`, and `https://HOST/api/graphql` beside `https://HOST/api/v3`.
        let address = base_url.as_str().trim_end_matches('/');
        let graphql = address.strip_suffix("/v3").unwrap_or(address);
        Ok(Self {
            graphql: client(graphql, token.clone())?,
            octocrab: client(base_url.as_str(), token)?,
            base_url: base_url.clone(),
        })
    }

    /// Makes a pull request a draft, or ready for review, which the REST API cannot do.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn set_draft(&self, pull_request: &str, is_draft: bool) -> Result<(), ApiError> {
        let mutation = if is_draft {
            "convertPullRequestToDraft"
        } else {
            "markPullRequestReadyForReview"
        };
        let body = json!({
            "query": format!(
                "mutation($id: ID!) {{ {mutation}(input: {{pullRequestId: $id}}) {{ pullRequest {{ isDraft }} }} }}"
            ),
            "variables": { "id": pull_request },
        });
        let response = exchange(&self.graphql, &Method::POST, "/graphql", Some(&body)).await?;
        let Response {
            status,
            headers,
            body,
        } = response;
        if !status.is_success() {
            return Err(error_of(status, &headers, &body));
        }
        // Errors of GraphQL come with the status 200.
        let answer: GraphQlAnswer =
            serde_json::from_str(&body).map_err(|source| ApiError::InvalidResponse { source })?;
        match answer.errors.into_iter().next() {
            None => Ok(()),
            Some(error) if error.kind.as_deref() == Some("RATE_LIMITED") => Err(ApiError::Unavailable {
                status: StatusCode::TOO_MANY_REQUESTS,
                retry_after: requested_wait(StatusCode::TOO_MANY_REQUESTS, &headers, &body),
            }),
            Some(error) => Err(ApiError::Refused {
                status,
                message: shorten(&error.message, MAX_MESSAGE_CHARACTERS),
            }),
        }
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

    /// `PATCH` of `body` to `path`, which must start with a slash.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ApiError> {
        self.call(Method::PATCH, path.to_owned(), Some(body)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        uri: String,
        body: Option<&impl Serialize>,
    ) -> Result<T, ApiError> {
        let mut response = exchange(&self.octocrab, &method, &uri, body).await?;
        if let Some(moved) = self.redirect(&method, &uri, &response) {
            tracing::info!(
                uri,
                moved,
                "the repository was renamed or transferred: following a redirect"
            );
            response = exchange(&self.octocrab, &method, &moved, body).await?;
        }
        let Response {
            status,
            headers,
            body,
        } = response;
        if status.is_success() {
            return serde_json::from_str(&body).map_err(|source| ApiError::InvalidResponse { source });
        }
        Err(error_of(status, &headers, &body))
    }

    /// Path and query to which a write is redirected; the client itself redirects reads.
    fn redirect(&self, method: &Method, uri: &str, response: &Response) -> Option<String> {
        let request = self.base_url.join(uri).ok()?;
        let target = redirect_target(
            method,
            &request,
            &self.base_url,
            response.status,
            &response.headers,
        )?;
        let query = target
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        Some(format!("{}{query}", target.path()))
    }
}

/// A client without automatic retries: a pull request whose response was lost must be found, not opened again.
fn client(base_uri: &str, token: SecretString) -> anyhow::Result<Octocrab> {
    Octocrab::builder()
        .base_uri(base_uri)
        .context("GITHUB_API_URL is not usable")?
        .personal_token(token)
        .add_retry_config(RetryConfig::None)
        .set_connect_timeout(Some(CONNECT_TIMEOUT))
        .set_read_timeout(Some(CALL_TIMEOUT))
        .build()
        .context("creating an HTTP client for GitHub")
}

async fn exchange(
    client: &Octocrab,
    method: &Method,
    uri: &str,
    body: Option<&impl Serialize>,
) -> Result<Response, ApiError> {
    let exchange = async {
        let request = http::Request::builder().method(method).uri(uri);
        let request = client.build_request(request, body)?;
        let response = client.execute(request).await?;
        Ok::<_, octocrab::Error>(Response {
            status: response.status(),
            headers: response.headers().clone(),
            body: client.body_to_string(response).await?,
        })
    };
    timeout(CALL_TIMEOUT, exchange)
        .await
        .context("the request timed out")
        .and_then(|response| Ok(response?))
        .map_err(|source| ApiError::Unreachable { source })
}

#[derive(Debug, Deserialize)]
struct GraphQlAnswer {
    #[serde(default)]
    errors: Vec<GraphQlError>,
}

#[derive(Debug, Deserialize)]
struct GraphQlError {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: String,
}

struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

fn error_of(status: StatusCode, headers: &HeaderMap, body: &str) -> ApiError {
    if let Some(delay) = requested_wait(status, headers, body) {
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
    let mut message = shorten(&error_message(body), MAX_MESSAGE_CHARACTERS);
    if let Some(permissions) = headers
        .get(ACCEPTED_PERMISSIONS)
        .and_then(|value| value.to_str().ok())
        .filter(|_| status == StatusCode::FORBIDDEN)
    {
        message = format!("{message}; the token needs the permission {permissions}");
    }
    ApiError::Refused { status, message }
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
        assert_eq!(limited.retry(), Retry::After(Duration::from_secs(8)));
        let too_quickly =
            r#"{"message": "Validation Failed", "errors": [{"message": "was submitted too quickly"}]}"#;
        assert_eq!(
            response(422, &[], too_quickly).retry(),
            Retry::After(Duration::from_secs(61))
        );
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
    fn a_missing_permission_is_named() {
        let body = r#"{"message": "Resource not accessible by personal access token"}"#;
        assert_eq!(
            response(403, &[(ACCEPTED_PERMISSIONS, "pull_requests=write")], body).to_string(),
            "GitHub refused (403 Forbidden): Resource not accessible by personal access token; the token needs the \
             permission pull_requests=write"
        );
    }
}
