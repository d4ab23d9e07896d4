//! The Anthropic Messages API: <https://docs.anthropic.com/en/api/messages>.

mod error;

use std::time::Duration;

use anyhow::Context as _;
use chrono::Utc;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

pub(crate) use self::error::ModelError;
use crate::config::SpecConfig;

const VERSION: &str = "2023-06-01";
const MAX_TOKENS: u32 = 8192;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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

    /// `SPEC_MODEL`.
    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    /// Whether the key may use the model.
    pub(crate) async fn model_exists(&self) -> Result<(), ModelError> {
        let mut url = self.messages_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop().extend(["models", &self.model]);
        }
        let request = self.http.get(url);
        let request = request.header("x-api-key", self.api_key.expose_secret());
        let response = request.header("anthropic-version", VERSION).send().await;
        let response = response.map_err(ModelError::unreachable)?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let body = response.text().await.unwrap_or_default();
        Err(ModelError::refused(status, None, &body, Utc::now()))
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
            .map_err(ModelError::unreachable)?;
        let status = response.status();
        if !status.is_success() {
            let retry_after = retry_after(response.headers());
            let body = response.text().await.unwrap_or_default();
            return Err(ModelError::refused(status, retry_after, &body, Utc::now()));
        }
        let body = response.text().await.map_err(ModelError::unreachable)?;
        text_of(serde_json::from_str(&body).map_err(ModelError::UnexpectedResponse)?)
    }
}

/// The model API does not use the other form of the header, a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn text_of(answer: Answer) -> Result<String, ModelError> {
    match answer.stop_reason.as_deref() {
        Some("max_tokens") => return Err(ModelError::UnusableAnswer("it exceeded the length limit")),
        Some("model_context_window_exceeded") => {
            return Err(ModelError::UnusableAnswer(
                "it exceeded the context window of the model",
            ));
        }
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
