//! The one place that sends: credentials, limits, retries, errors.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;
use uuid::Uuid;
use whim_core::protocol::{ErrorBody, PROTOCOL_VERSION, PROTOCOL_VERSION_HEADER};

use crate::error::{BuildError, ClientError};

/// An answer beyond this is refused: a page of items stays far below.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

const MAX_SNIPPET_CHARACTERS: usize = 200;

const REQUEST_ID_HEADER: &str = "x-request-id";

/// How long a call waits, and how often it is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// For a connection.
    pub connect: Duration,
    /// For one attempt, the connection and the whole answer included.
    pub attempt: Duration,
    /// How many attempts follow the first.
    pub retries: usize,
    /// Before the first retry; each further delay doubles, with up to as much again as jitter.
    pub first_delay: Duration,
    /// No delay is longer, neither a computed one nor one that the orchestrator asks for (`Retry-After`).
    pub longest_delay: Duration,
}

impl Timing {
    /// Four attempts of up to 30 s within about two minutes at the worst.
    pub const STANDARD: Self = Self {
        connect: Duration::from_secs(5),
        attempt: Duration::from_secs(30),
        retries: 3,
        first_delay: Duration::from_millis(200),
        longest_delay: Duration::from_secs(5),
    };
}

/// Whether a call may take effect twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Twice is as good as once: repeated whenever the answer is missing.
    Idempotent,
    /// Repeated only when the first attempt certainly did not arrive.
    IfNotSent,
    /// Never repeated.
    Never,
}

/// One call.
pub(crate) struct Call {
    method: Method,
    /// Its segments.
    path: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    pub(crate) repeat: Repeat,
}

impl Call {
    pub(crate) fn get<const N: usize>(path: [&str; N]) -> Self {
        Self::get_path(path.map(str::to_owned).into())
    }

    pub(crate) fn get_path(path: Vec<String>) -> Self {
        Self {
            method: Method::GET,
            path,
            query: Vec::new(),
            body: None,
            repeat: Repeat::Idempotent,
        }
    }

    pub(crate) fn post<const N: usize>(path: [&str; N], body: &impl Serialize, repeat: Repeat) -> Self {
        Self::new(Method::POST, path, to_json(body), repeat)
    }

    pub(crate) fn put<const N: usize>(path: [&str; N], body: &impl Serialize) -> Self {
        Self::new(Method::PUT, path, to_json(body), Repeat::Idempotent)
    }

    fn new<const N: usize>(method: Method, path: [&str; N], body: Vec<u8>, repeat: Repeat) -> Self {
        Self {
            method,
            path: path.map(str::to_owned).into(),
            query: Vec::new(),
            body: Some(body),
            repeat,
        }
    }
}

/// The protocol's bodies are plain data with string keys: they always serialise. Should one ever not, the orchestrator
/// refuses the empty body with a clear error.
fn to_json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}

#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: reqwest::Client,
    /// For answers that go on for as long as somebody reads them.
    streams: reqwest::Client,
    base_url: Url,
    timing: Timing,
    user_agent: Option<HeaderValue>,
}

/// An answer of any status, read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    body: Vec<u8>,
}

impl Answer {
    /// The body as text; what is not UTF-8 is replaced.
    pub(crate) fn into_text(self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
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
                // The orchestrator never redirects; whoever does must not get the credential.
                .redirect(reqwest::redirect::Policy::none())
                // It stands beside its callers; proxies are for the way outside.
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

    /// Sends and reads the answer's body as `T`.
    pub(crate) async fn send<T: DeserializeOwned>(&self, call: Call) -> Result<T, ClientError> {
        let answer = self.send_for_success(call).await?;
        answer.parse()
    }

    /// Sends, and answers any status below 400.
    pub(crate) async fn send_for_success(&self, call: Call) -> Result<Answer, ClientError> {
        let answer = self.send_for_answer(call).await?;
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(answer.into_error())
        }
    }

    /// Sends, repeats as far as `call.repeat` allows, and answers whatever came last.
    pub(crate) async fn send_for_answer(&self, call: Call) -> Result<Answer, ClientError> {
        let url = self.url(&call)?;
        // The same for all attempts: they are one request in the orchestrator's log.
        let request_id = Uuid::now_v7();
        let mut delays = self.delays();
        loop {
            let outcome = self.attempt(&call, &url, request_id).await;
            let (worth_repeating, asked_delay) = match &outcome {
                Ok((answer, retry_after)) => {
                    let gateway_trouble = matches!(answer.status.as_u16(), 502..=504);
                    (gateway_trouble && call.repeat == Repeat::Idempotent, *retry_after)
                }
                Err(ClientError::Unreachable(error)) => (may_repeat(call.repeat, error), None),
                Err(ClientError::Refused { .. } | ClientError::Unexpected { .. }) => (false, None),
            };
            let delay = if worth_repeating { delays.next() } else { None };
            let Some(delay) = delay else {
                return outcome.map(|(answer, _)| answer);
            };
            let delay = delay
                .max(asked_delay.unwrap_or_default())
                .min(self.timing.longest_delay);
            tracing::debug!(%request_id, method = %call.method, path = url.path(), delay_ms = delay.as_millis(),
                "the orchestrator did not answer a request, which is repeated");
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
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body(body.clone());
        }
        let response = request.send().await.map_err(unreachable)?;
        let retry_after = retry_after(&response);
        Ok((read(response).await?, retry_after))
    }

    /// Asks once for an answer that is read as it comes; only the beginning of it has to come in time.
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
                    snippet: "no answer began in time".to_owned(),
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
            snippet: "the base URL cannot take a path".to_owned(),
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

impl Answer {
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| self.unexpected(&error.to_string()))
    }

    fn into_error(self) -> ClientError {
        match serde_json::from_slice(&self.body) {
            Ok(body) => ClientError::Refused {
                status: self.status.as_u16(),
                body: Box::<ErrorBody>::new(body),
            },
            Err(_) => self.unexpected("no error body"),
        }
    }

    fn unexpected(&self, what: &str) -> ClientError {
        let text = String::from_utf8_lossy(&self.body);
        let beginning: String = text
            .chars()
            .take(MAX_SNIPPET_CHARACTERS)
            .map(|character| if character.is_control() { ' ' } else { character })
            .collect();
        ClientError::Unexpected {
            status: self.status.as_u16(),
            snippet: format!("{what}: {beginning:?}"),
        }
    }
}

async fn read(mut response: Response) -> Result<Answer, ClientError> {
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            let snippet = format!("it is larger than {MAX_ANSWER_BYTES} bytes");
            return Err(ClientError::Unexpected {
                status: status.as_u16(),
                snippet,
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body })
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response
        .headers()
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

pub(crate) fn unreachable(error: reqwest::Error) -> ClientError {
    // A base URL may hold a password.
    ClientError::Unreachable(error.without_url())
}
