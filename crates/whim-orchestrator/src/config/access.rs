//! How workers reach GitHub and the model API.

use url::Url;
use whim_service::environment::{Environment, http_url};
use whim_service::secret::SecretString;

use super::api::refuse_short_key;
use super::values::url_or_default;

#[derive(Clone, Debug)]
pub enum WorkerAccess {
    /// Through the gateway, with tokens of the attempt (docs/decisions/0039-two-tokens-per-attempt.md).
    Gateway(GatewayAccess),
    /// Directly, with the credentials of the operator.
    Direct(DirectAccess),
}

#[derive(Clone, Debug)]
pub struct GatewayAccess {
    /// `GATEWAY_URL`: as workers reach it.
    pub url: Url,
    /// `GATEWAY_KEY`: authenticates gateways at this orchestrator.
    pub key: SecretString,
    /// The name of the setting with the gateway's credential for the model API.
    model_credential_name: &'static str,
}

#[derive(Clone, Debug)]
pub struct DirectAccess {
    /// `GITHUB_TOKEN`.
    pub github_token: SecretString,
    /// `CLAUDE_CODE_OAUTH_TOKEN`, else `ANTHROPIC_API_KEY`.
    pub model_credential: ModelCredential,
    /// `GITHUB_API_URL`.
    pub github_api_url: Url,
    /// `ANTHROPIC_BASE_URL`.
    pub anthropic_base_url: Url,
}

/// A worker's credential for the model API (docs/decisions/0017-model-credentials.md).
#[derive(Clone, Debug)]
pub enum ModelCredential {
    /// `ANTHROPIC_API_KEY`.
    ApiKey(SecretString),
    /// `CLAUDE_CODE_OAUTH_TOKEN`, of a Claude Max plan.
    OauthToken(SecretString),
}

const API_KEY: &str = "ANTHROPIC_API_KEY";
const OAUTH_TOKEN: &str = "CLAUDE_CODE_OAUTH_TOKEN";

impl WorkerAccess {
    /// The name of the setting with the credential for the model API, wherever it is.
    pub fn model_credential_name(&self) -> &'static str {
        match self {
            Self::Gateway(gateway) => gateway.model_credential_name,
            Self::Direct(direct) => match direct.model_credential {
                ModelCredential::ApiKey(_) => API_KEY,
                ModelCredential::OauthToken(_) => OAUTH_TOKEN,
            },
        }
    }

    pub fn gateway(&self) -> Option<&GatewayAccess> {
        match self {
            Self::Gateway(gateway) => Some(gateway),
            Self::Direct(_) => None,
        }
    }

    /// Credentials are required only where workers get them.
    pub(super) fn read(env: &mut Environment) -> Option<Self> {
        let gateway_url = env.optional("GATEWAY_URL", http_url());
        let is_direct = gateway_url.is_none();
        let gateway_key = if is_direct {
            env.secret("GATEWAY_KEY")
        } else {
            env.required_secret("GATEWAY_KEY", "a random secret that the gateway has as well")
        };
        refuse_short_key(env, "GATEWAY_KEY", gateway_key.as_ref());
        let github_token = if is_direct {
            env.required_secret(
                "GITHUB_TOKEN",
                "a GitHub token with read and write access to contents, issues and pull requests",
            )
        } else {
            env.secret("GITHUB_TOKEN")
        };
        let oauth_token = env.secret(OAUTH_TOKEN);
        let api_key = if is_direct && oauth_token.is_none() {
            env.required_secret(
                API_KEY,
                "an Anthropic API key, or the token of a Claude Max plan in CLAUDE_CODE_OAUTH_TOKEN",
            )
        } else {
            env.secret(API_KEY)
        };
        let github_api_url = url_or_default(env, "GITHUB_API_URL", "https://api.github.com", http_url());
        let anthropic_base_url =
            url_or_default(env, "ANTHROPIC_BASE_URL", "https://api.anthropic.com", http_url());
        if let Some(url) = gateway_url {
            let is_plan = oauth_token.is_some();
            return Some(Self::Gateway(GatewayAccess {
                url,
                key: gateway_key?,
                model_credential_name: if is_plan { OAUTH_TOKEN } else { API_KEY },
            }));
        }
        // An OAuth token is for workers only. The API key may be for the intake.
        let model_credential = oauth_token
            .map(ModelCredential::OauthToken)
            .or(api_key.map(ModelCredential::ApiKey));
        Some(Self::Direct(DirectAccess {
            github_token: github_token?,
            model_credential: model_credential?,
            github_api_url: github_api_url?,
            anthropic_base_url: anthropic_base_url?,
        }))
    }
}
