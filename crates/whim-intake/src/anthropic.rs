//! The Anthropic Messages API: <https://docs.anthropic.com/en/api/messages>.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;
use whim_core::FailureCause;

use crate::config::SpecConfig;

const VERSION: &str = "2023-06-01";
const MAX_TOKENS: u32 = 8192;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_MESSAGE_CHARACTERS: usize = 300;

/// A client with one key and one model.
#[derive(Debug, Clone)]
pub(crate) struct Anthropic {
    http: reqwest::Client,
    messages_url: Url,
    api_key: SecretString,
    model: String,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Message {
    role: Role,
    content: String,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
}

impl Message {
    pub(crate) fn user(content: String) -> Self {
        Self {
            role: Role::User,
            content,
        }
    }

    pub(crate) fn assistant(content: String) -> Self {
        Self {
            role: Role::Assistant,
            content,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelError {
    /// No response, or none before the timeout.
    #[error("reaching the model API")]
    Unreachable(#[source] reqwest::Error),
    /// Overloaded, rate-limited or failing.
    #[error("the model API is unavailable ({status}): {message}")]
    Unavailable {
        status: u16,
        message: String,
        retry_after: Option<Duration>,
    },
    /// The key, the model or the URL is wrong.
    #[error(
        "the model API refused the request ({status}): {message}; check ANTHROPIC_API_KEY, SPEC_MODEL and ANTHROPIC_BASE_URL"
    )]
    Refused { status: u16, message: String },
    #[error("the request exceeds the size limit of the model API: {0}")]
    TooLarge(String),
    /// Another service responds at that URL.
    #[error("the response is not one of the model API; check ANTHROPIC_BASE_URL")]
    UnexpectedResponse(#[source] serde_json::Error),
    #[error("the model gave no usable answer: {0}")]
    UnusableAnswer(&'static str),
}

impl ModelError {
    /// Whether the same request would fail again.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            Self::UnusableAnswer(_) | Self::TooLarge(_) => true,
            Self::Unreachable(_)
            | Self::Unavailable { .. }
            | Self::Refused { .. }
            | Self::UnexpectedResponse(_) => false,
        }
    }

    /// Whether a setting is wrong.
    pub(crate) fn operator_action_required(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::UnexpectedResponse(_) => true,
            Self::UnusableAnswer(_) | Self::TooLarge(_) | Self::Unreachable(_) | Self::Unavailable { .. } => {
                false
            }
        }
    }

    /// The cause, if every other caller with this key would fail too. A timeout may be due to this request, and a wrong
    /// model or URL is a setting of this program.
    pub(crate) fn shared_cause(&self) -> Option<FailureCause> {
        match self {
            Self::Unavailable { status: 429, .. } => Some(FailureCause::ModelLimited),
            Self::Unavailable {
                status: 500..=599, ..
            } => Some(FailureCause::ModelUnavailable),
            Self::Refused {
                status: 401 | 403, ..
            } => Some(FailureCause::ModelRefused),
            Self::Unreachable(error) if error.is_connect() => Some(FailureCause::ModelUnavailable),
            Self::Unreachable(_)
            | Self::Unavailable { .. }
            | Self::Refused { .. }
            | Self::UnexpectedResponse(_)
            | Self::UnusableAnswer(_)
            | Self::TooLarge(_) => None,
        }
    }

    /// The `Retry-After` of a rate limit.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        if let Self::Unavailable {
            status: 429,
            retry_after,
            ..
        } = self
        {
            *retry_after
        } else {
            None
        }
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    max_tokens: u32,
    system: &'a str,
    messages: &'a [Message],
}

#[derive(Deserialize)]
struct Answer {
    content: Vec<Block>,
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        text: String,
    },
    // Kinds of later versions are ignored.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: ErrorDetail,
}

#[derive(Deserialize)]
struct ErrorDetail {
    message: String,
}

impl Anthropic {
    pub(crate) fn new(config: &SpecConfig) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(config.timeout)
            // A redirect would send the key to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("building the client of the model API")?;
        let mut messages_url = config.base_url.clone();
        messages_url
            .path_segments_mut()
            .map_err(|()| anyhow::anyhow!("ANTHROPIC_BASE_URL cannot take paths"))?
            .pop_if_empty()
            .extend(["v1", "messages"]);
        Ok(Self {
            http,
            messages_url,
            api_key: config.api_key.clone(),
            model: config.model.clone(),
        })
    }

    /// The text of the model's next message.
    pub(crate) async fn answer(&self, system: &str, messages: &[Message]) -> Result<String, ModelError> {
        let response = self
            .http
            .post(self.messages_url.clone())
            .header("x-api-key", self.api_key.expose_secret())
            .header("anthropic-version", VERSION)
            .json(&Request {
                model: &self.model,
                max_tokens: MAX_TOKENS,
                system,
                messages,
            })
            .send()
            .await
            .map_err(unreachable)?;
        let status = response.status();
        if !status.is_success() {
            let retry_after = retry_after(response.headers());
            let body = response.text().await.unwrap_or_default();
            return Err(refusal(status, retry_after, &body));
        }
        let body = response.text().await.map_err(unreachable)?;
        text_of(serde_json::from_str(&body).map_err(ModelError::UnexpectedResponse)?)
    }
}

fn unreachable(error: reqwest::Error) -> ModelError {
    // The base URL may contain a password.
    ModelError::Unreachable(error.without_url())
}

/// The model API does not use the other form of the header, a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn refusal(status: StatusCode, retry_after: Option<Duration>, body: &str) -> ModelError {
    let message = serde_json::from_str::<ErrorAnswer>(body)
        .map_or_else(|_| body.to_owned(), |answer| answer.error.message);
    let message: String = message.chars().take(MAX_MESSAGE_CHARACTERS).collect();
    let status_number = status.as_u16();
    if status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
    {
        ModelError::Unavailable {
            status: status_number,
            message,
            retry_after,
        }
    } else if status == StatusCode::PAYLOAD_TOO_LARGE {
        ModelError::TooLarge(message)
    } else {
        ModelError::Refused {
            status: status_number,
            message,
        }
    }
}

fn text_of(answer: Answer) -> Result<String, ModelError> {
    match answer.stop_reason.as_deref() {
        Some("max_tokens") => return Err(ModelError::UnusableAnswer("it exceeded the length limit")),
        Some("refusal") => return Err(ModelError::UnusableAnswer("it refused")),
        Some(_) | None => {}
    }
    let text: Vec<String> = answer
        .content
        .into_iter()
        .filter_map(|block| match block {
            Block::Text { text } => Some(text),
            Block::Other => None,
        })
        .collect();
    let text = text.join("");
    if text.trim().is_empty() {
        Err(ModelError::UnusableAnswer("it was empty"))
    } else {
        Ok(text)
    }
}
