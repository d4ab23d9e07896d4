//! The orchestrator behind the dashboard.

mod routes;

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use bytes::Bytes;
use url::Url;
use whim_service::chain::chain;
use whim_service::repeated_failure::RepeatedFailure;

pub(crate) use self::routes::{Route, forwarded};
use crate::config::OrchestratorConfig;
use crate::error::ApiError;
use crate::metrics;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Detects an orchestrator that is gone without having closed its connections.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the orchestrator gets of a browser's headers. Cookies and credentials stay here.
const FORWARDED_HEADERS: [HeaderName; 6] = [
    ACCEPT,
    CONTENT_TYPE,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    LAST_EVENT_ID,
    REQUEST_ID,
];

/// The orchestrator answers 429 after many wrong keys; to a valid one it never does.
const KEY_REFUSED: [StatusCode; 2] = [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS];

/// A client of the orchestrator that knows the API key.
#[derive(Debug)]
pub(crate) struct Upstream {
    client: reqwest::Client,
    /// Without a trailing slash.
    base: String,
    authorization: Option<HeaderValue>,
    timeout: Duration,
    failures: RwLock<RepeatedFailure>,
}

/// A request without a usable response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error("the orchestrator cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the orchestrator broke the connection off")]
    Interrupted(#[source] reqwest::Error),
    #[error("the orchestrator did not answer in time")]
    Timeout,
    /// To a browser, 401 would mean that a person has to log in.
    #[error(
        "the orchestrator refuses the dashboard's API key: set API_KEY to the orchestrator's, and restart the dashboard"
    )]
    KeyRefused,
}

impl Upstream {
    /// # Errors
    /// The HTTP client cannot be built.
    pub(crate) fn new(config: &OrchestratorConfig) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("whim-dashboard/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_keepalive(KEEP_ALIVE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            client,
            base: base(&config.url),
            authorization: config.authorization.clone(),
            timeout: config.timeout,
            failures: RwLock::default(),
        })
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Forwards a request, and returns when the head of the response is here.
    ///
    /// `uri` must have the path of a [`Route`] without dot segments.
    ///
    /// # Errors
    /// There is no usable response.
    pub(crate) async fn send(
        &self,
        method: Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<reqwest::Response, UpstreamError> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        for name in FORWARDED_HEADERS {
            if let Some(value) = headers.get(&name) {
                request = request.header(name, value);
            }
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if !body.is_empty() {
            request = request.body(body);
        }
        let answer = match tokio::time::timeout(self.timeout, request.send()).await {
            Err(_elapsed) => Err(UpstreamError::Timeout),
            Ok(Err(error)) if error.is_timeout() => Err(UpstreamError::Timeout),
            Ok(Err(error)) if error.is_connect() => Err(UpstreamError::Unreachable(error)),
            Ok(Err(error)) => Err(UpstreamError::Interrupted(error)),
            Ok(Ok(response)) if KEY_REFUSED.contains(&response.status()) => Err(UpstreamError::KeyRefused),
            Ok(Ok(response)) => Ok(response),
        };
        self.report(answer.as_ref().err());
        answer
    }

    /// Logs when failures begin and end: browsers repeat their requests.
    fn report(&self, failure: Option<&UpstreamError>) {
        let mut failures = self.failures.write().unwrap_or_else(PoisonError::into_inner);
        match failure {
            Some(error) => {
                metrics::upstream_failed(error.cause());
                let error = chain(error).to_string();
                if let Some(count) = failures.failed(&error) {
                    tracing::warn!(error, failures = count, "a request to ORCHESTRATOR_URL failed");
                }
            }
            None => {
                if let Some(count) = failures.succeeded() {
                    tracing::info!("the orchestrator answers again after {count} failed requests");
                }
            }
        }
    }
}

impl UpstreamError {
    const fn cause(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Interrupted(_) => "interrupted",
            Self::Timeout => "timeout",
            Self::KeyRefused => "key_refused",
        }
    }
}

impl From<UpstreamError> for ApiError {
    fn from(error: UpstreamError) -> Self {
        let status = match error {
            UpstreamError::Timeout => StatusCode::GATEWAY_TIMEOUT,
            UpstreamError::Unreachable(_) | UpstreamError::Interrupted(_) | UpstreamError::KeyRefused => {
                StatusCode::BAD_GATEWAY
            }
        };
        // The source has the address, which is for the log.
        Self::upstream(status, error.to_string())
    }
}

/// Paths are appended to it.
fn base(url: &Url) -> String {
    let mut base = url.clone();
    base.set_query(None);
    base.set_fragment(None);
    base.as_str().trim_end_matches('/').to_owned()
}
