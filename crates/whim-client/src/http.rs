//! Sends requests: credentials, timeouts and retries.

mod answer;
mod call;

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT,
};
use reqwest::{Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use url::Url;
use uuid::Uuid;
use whim_core::protocol::{PROTOCOL_VERSION, PROTOCOL_VERSION_HEADER};

use self::answer::{Answer, read, retry_after};
pub(crate) use self::call::{Call, Repeat};
use crate::error::{BuildError, ClientError, unreachable};

const REQUEST_ID_HEADER: &str = "x-request-id";

/// Timeouts and retries of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Timeout of connecting.
    pub connect: Duration,
    /// Timeout of one attempt, with the connection and the whole response.
    pub attempt: Duration,
    /// Attempts after the first.
    pub retries: usize,
    /// Delay before the first retry. Doubles with each retry, with up to the same amount of jitter.
    pub first_delay: Duration,
    /// Longest delay, also for one that the orchestrator requests with `Retry-After`.
    pub longest_delay: Duration,
}

impl Timing {
    /// Four attempts of up to 30 s: about two minutes in the worst case.
    pub const STANDARD: Self = Self {
        connect: Duration::from_secs(5),
        attempt: Duration::from_secs(30),
        retries: 3,
        first_delay: Duration::from_millis(200),
        longest_delay: Duration::from_secs(5),
    };
}

#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: reqwest::Client,
    /// Without a timeout, for streaming responses.
    streams: reqwest::Client,
    base_url: Url,
    timing: Timing,
    user_agent: Option<HeaderValue>,
}

impl Http {
    pub(crate) fn new(
        base_url: Url,
        credential: Option<&SecretString>,
        timing: Timing,
    ) -> Result<Self, BuildError> {
        if !matches!(base_url.scheme(), "http" | "https") || base_url.cannot_be_a_base() {
            return Err(BuildError::BaseUrl);
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(PROTOCOL_VERSION_HEADER, HeaderValue::from(PROTOCOL_VERSION));
        if let Some(credential) = credential {
            let value = format!("Bearer {}", credential.expose_secret());
            let mut value = HeaderValue::try_from(value).map_err(BuildError::Credential)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let builder = || {
            reqwest::Client::builder()
                .default_headers(headers.clone())
                .connect_timeout(timing.connect)
                // The orchestrator never redirects; another server must not get the credential.
                .redirect(reqwest::redirect::Policy::none())
                // Proxies are for the internet, not for the orchestrator.
                .no_proxy()
        };
        Ok(Self {
            client: builder()
                .timeout(timing.attempt)
                .build()
                .map_err(BuildError::Http)?,
            streams: builder().build().map_err(BuildError::Http)?,
            base_url,
            timing,
            user_agent: None,
        })
    }

    pub(crate) fn with_user_agent(self, name: &'static str) -> Self {
        let user_agent = Some(HeaderValue::from_static(name));
        Self { user_agent, ..self }
    }

    /// Sends and parses the response.
    pub(crate) async fn send<T: DeserializeOwned>(&self, call: Call) -> Result<T, ClientError> {
        let answer = self.send_for_success(call).await?;
        answer.parse()
    }

    /// Sends and returns a response of success.
    pub(crate) async fn send_for_success(&self, call: Call) -> Result<Answer, ClientError> {
        let answer = self.send_for_answer(call).await?;
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(answer.into_error())
        }
    }

    /// Sends, repeats as `call.repeat` allows, and returns the last response.
    pub(crate) async fn send_for_answer(&self, call: Call) -> Result<Answer, ClientError> {
        let url = self.url(&call)?;
        // The same for all attempts: they are one request in the orchestrator's log.
        let request_id = Uuid::now_v7();
        let mut delays = self.delays();
        loop {
            let outcome = self.attempt(&call, &url, request_id).await;
            let (is_retryable, requested_delay) = match &outcome {
                Ok((answer, retry_after)) => {
                    let is_gateway_error = matches!(answer.status.as_u16(), 502..=504);
                    (
                        is_gateway_error && call.repeat == Repeat::Idempotent,
                        *retry_after,
                    )
                }
                Err(ClientError::Unreachable(error)) => (may_repeat(call.repeat, error), None),
                Err(ClientError::Refused { .. } | ClientError::Unexpected { .. }) => (false, None),
            };
            let delay = if is_retryable { delays.next() } else { None };
            let Some(delay) = delay else {
                return outcome.map(|(answer, _)| answer);
            };
            let delay = delay
                .max(requested_delay.unwrap_or_default())
                .min(self.timing.longest_delay);
            tracing::debug!(%request_id, method = %call.method, path = url.path(), delay_ms = delay.as_millis(),
                "a request to the orchestrator failed and is repeated");
            tokio::time::sleep(delay).await;
        }
    }

    async fn attempt(
        &self,
        call: &Call,
        url: &Url,
        request_id: Uuid,
    ) -> Result<(Answer, Option<Duration>), ClientError> {
        let mut request = self
            .client
            .request(call.method.clone(), url.clone())
            .header(REQUEST_ID_HEADER, request_id.to_string());
        if let Some(user_agent) = &self.user_agent {
            request = request.header(USER_AGENT, user_agent.clone());
        }
        if let Some(body) = &call.body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone());
            if call.is_compressed {
                request = request.header(CONTENT_ENCODING, "zstd");
            }
        }
        let response = request.send().await.map_err(unreachable)?;
        let retry_after = retry_after(&response);
        Ok((read(response).await?, retry_after))
    }

    /// Sends once and returns a streaming response. The timeout applies until it starts.
    pub(crate) async fn open(&self, call: &Call, headers: HeaderMap) -> Result<Response, ClientError> {
        let url = self.url(call)?;
        let request = self
            .streams
            .request(call.method.clone(), url)
            .header(REQUEST_ID_HEADER, Uuid::now_v7().to_string())
            .headers(headers);
        let response = match tokio::time::timeout(self.timing.attempt, request.send()).await {
            Ok(response) => response.map_err(unreachable)?,
            Err(_) => {
                return Err(ClientError::Unexpected {
                    status: StatusCode::GATEWAY_TIMEOUT.as_u16(),
                    snippet: "the response did not start in time".to_owned(),
                });
            }
        };
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(read(response).await?.into_error())
        }
    }

    fn url(&self, call: &Call) -> Result<Url, ClientError> {
        let mut url = self.base_url.clone();
        let not_a_base = |()| ClientError::Unexpected {
            status: 0,
            snippet: "the base URL cannot have a path".to_owned(),
        };
        url.path_segments_mut()
            .map_err(not_a_base)?
            .pop_if_empty()
            .extend(&call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        Ok(url)
    }

    pub(crate) fn timing(&self) -> &Timing {
        &self.timing
    }

    fn delays(&self) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::new()
            .with_min_delay(self.timing.first_delay)
            .with_max_delay(self.timing.longest_delay)
            .with_factor(2.0)
            .with_jitter()
            .with_max_times(self.timing.retries)
            .build()
    }
}

fn may_repeat(repeat: Repeat, error: &reqwest::Error) -> bool {
    match repeat {
        Repeat::Idempotent => true,
        Repeat::IfNotSent => error.is_connect(),
        Repeat::Never => false,
    }
}
