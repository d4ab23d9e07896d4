//! Learnings and their vectors.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;
use whim_core::embedder::{EMBEDDED_MODEL, EmbedderSource};
use whim_service::environment::{Environment, flag, http_url, path, seconds, text, whole_number};
use whim_service::secret::{ExposeSecret as _, SecretString};

use super::values::SHORTEST;

const PROGRAM: &str = "whim-embedder";

#[derive(Clone, Debug)]
pub struct LearningsConfig {
    /// `LEARNINGS_HOLDOUT`: percentage of items that receive no learnings, for comparison.
    pub holdout_percent: u32,
    /// `LEARNINGS_TOKEN_BUDGET`: size of an attempt's learnings, in estimated tokens.
    pub token_budget: usize,
    /// `LEARNINGS_ACROSS_REPOSITORIES`: whether attempts also receive learnings of other repositories of the same owner.
    pub across_repositories: bool,
    pub embedding: EmbeddingConfig,
}

#[derive(Clone, Debug)]
pub struct EmbeddingConfig {
    /// `EMBEDDER_PROGRAM`.
    program: Option<PathBuf>,
    /// `EMBEDDING_MODEL_DIR`: files of the embedded model.
    model_directory: PathBuf,
    /// `EMBEDDING_URL`: used instead of the embedded model.
    endpoint: Option<Url>,
    /// `EMBEDDING_MODEL`, for the endpoint.
    endpoint_model: String,
    /// `EMBEDDING_API_KEY`, for the endpoint.
    api_key: Option<SecretString>,
    /// `EMBEDDER_IDLE_TIMEOUT_SECONDS`: how long the child stays without requests.
    pub idle_timeout: Duration,
}

impl LearningsConfig {
    pub(super) fn read(env: &mut Environment) -> Self {
        Self {
            holdout_percent: env.or_default("LEARNINGS_HOLDOUT", 10, whole_number(0..=100)),
            // Ralph passes at most 32 kB of learnings to an agent.
            token_budget: env.or_default("LEARNINGS_TOKEN_BUDGET", 2000, whole_number(0..=8000)),
            across_repositories: env.or_default("LEARNINGS_ACROSS_REPOSITORIES", false, flag()),
            embedding: EmbeddingConfig::read(env),
        }
    }
}

impl EmbeddingConfig {
    fn read(env: &mut Environment) -> Self {
        let program = env.optional(
            "EMBEDDER_PROGRAM",
            path("the embedder; when not set, whim-embedder beside this program, else on PATH"),
        );
        let model_directory = env.or_default(
            "EMBEDDING_MODEL_DIR",
            PathBuf::from(".tools/embedding-model"),
            path("the directory of the embedded model, which ./scripts/setup.sh fills"),
        );
        let endpoint = env.optional("EMBEDDING_URL", http_url());
        let endpoint_model = env.or_default(
            "EMBEDDING_MODEL",
            "text-embedding-3-small".to_owned(),
            text("the name of a model with vectors of 384 numbers, or with a choice"),
        );
        let api_key = env.secret("EMBEDDING_API_KEY");
        if endpoint.is_none() && api_key.is_some() {
            env.refuse(
                "EMBEDDING_API_KEY",
                "expected together with EMBEDDING_URL, for example https://api.openai.com/v1",
            );
        }
        let idle_timeout = env.or_default(
            "EMBEDDER_IDLE_TIMEOUT_SECONDS",
            Duration::from_mins(1),
            seconds(SHORTEST..=Duration::from_hours(1)),
        );
        Self {
            program,
            model_directory,
            endpoint,
            endpoint_model,
            api_key,
            idle_timeout,
        }
    }

    /// The child to start.
    pub fn program(&self) -> PathBuf {
        let beside = || {
            let this_program = env::current_exe().ok()?;
            Some(this_program.with_file_name(PROGRAM)).filter(|program| program.is_file())
        };
        self.program
            .clone()
            .or_else(beside)
            .unwrap_or_else(|| PathBuf::from(PROGRAM))
    }

    pub fn source(&self) -> EmbedderSource {
        match &self.endpoint {
            Some(url) => EmbedderSource::Endpoint {
                url: url.to_string(),
                model: self.endpoint_model.clone(),
                api_key: self.api_key.as_ref().map(|key| key.expose_secret().to_owned()),
            },
            None => EmbedderSource::Model {
                directory: self.model_directory.clone(),
            },
        }
    }

    /// Stored with each vector: vectors of two models are never compared.
    pub fn model_name(&self) -> String {
        match &self.endpoint {
            Some(url) => format!("{}@{}", self.endpoint_model, url.host_str().unwrap_or_default()),
            None => EMBEDDED_MODEL.to_owned(),
        }
    }
}
