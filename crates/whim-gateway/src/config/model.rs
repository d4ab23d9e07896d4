//! Settings of the model API.

use std::fmt;
use std::num::NonZeroU32;

use axum::http::HeaderValue;
use url::Url;
use whim_service::environment::{Environment, Expected, http_url, whole_number};

use super::header::in_header;

#[derive(Clone, Debug)]
pub struct ModelConfig {
    /// `ANTHROPIC_BASE_URL`.
    pub base_url: Url,
    pub credential: ModelCredential,
    /// `GATEWAY_MODELS`: the models that agents may use; empty if they may use all.
    pub models: Vec<ModelPattern>,
    /// `GATEWAY_MODEL_REQUESTS_PER_MINUTE` of one attempt.
    pub requests_per_minute: NonZeroU32,
}

/// What authenticates agents (docs/decisions/0017-model-credentials.md).
#[derive(Clone, Debug)]
pub enum ModelCredential {
    /// `ANTHROPIC_API_KEY`, for the header `x-api-key`.
    ApiKey(HeaderValue),
    /// `CLAUDE_CODE_OAUTH_TOKEN`, for the header `Authorization`.
    OauthToken(HeaderValue),
}

/// The name of a model, or its beginning followed by `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelPattern(String);

impl ModelPattern {
    fn parse(text: &str) -> Option<Self> {
        let name = text.strip_suffix('*').unwrap_or(text);
        let is_plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:/@".contains(&byte));
        is_plain.then(|| Self(text.to_owned()))
    }

    pub fn matches(&self, model: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => model.starts_with(beginning),
            None => model == self.0,
        }
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl ModelConfig {
    pub(super) fn read(env: &mut Environment) -> Option<Self> {
        let oauth_token = env.secret("CLAUDE_CODE_OAUTH_TOKEN");
        let api_key = if oauth_token.is_some() {
            env.secret("ANTHROPIC_API_KEY")
        } else {
            env.required_secret(
                "ANTHROPIC_API_KEY",
                "an Anthropic API key, or the token of a Claude Max plan in CLAUDE_CODE_OAUTH_TOKEN",
            )
        };
        let base_url = env.or_default(
            "ANTHROPIC_BASE_URL",
            Url::parse("https://api.anthropic.com").ok()?,
            http_url(),
        );
        let models = env.list("GATEWAY_MODELS", model());
        let requests_per_minute = env.or_default(
            "GATEWAY_MODEL_REQUESTS_PER_MINUTE",
            NonZeroU32::MIN.saturating_add(299),
            whole_number(NonZeroU32::MIN..=NonZeroU32::MIN.saturating_add(99_999)),
        );
        let credential = match (oauth_token, api_key) {
            (Some(token), _) => {
                in_header(env, "CLAUDE_CODE_OAUTH_TOKEN", "Bearer ", &token).map(ModelCredential::OauthToken)
            }
            (None, Some(key)) => in_header(env, "ANTHROPIC_API_KEY", "", &key).map(ModelCredential::ApiKey),
            (None, None) => None,
        };
        Some(Self {
            base_url,
            credential: credential?,
            models,
            requests_per_minute,
        })
    }
}

fn model() -> Expected<ModelPattern> {
    Expected::new(
        "the name of a model such as claude-sonnet-5-5, or its beginning and a star such as claude-*",
        ModelPattern::parse,
        ModelPattern::to_string,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_the_rest_of_a_name() {
        let pattern = |text| ModelPattern::parse(text).unwrap();
        assert!(pattern("claude-*").matches("claude-sonnet-5-5"));
        assert!(!pattern("claude-*").matches("gpt"));
        assert!(pattern("claude-sonnet-5-5").matches("claude-sonnet-5-5"));
        assert!(!pattern("claude-sonnet-5-5").matches("claude-sonnet-5-5-x"));
        assert!(pattern("*").matches("anything"));
        assert_eq!(ModelPattern::parse("cl*de"), None);
        assert_eq!(ModelPattern::parse("a b"), None);
    }
}
