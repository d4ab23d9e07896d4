//! Settings that are passed to workers.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;
use whim_service::environment::{Environment, Expected, http_url, milliseconds, seconds, text, whole_number};
use whim_service::machine;
use whim_service::secret::SecretString;

use super::values::{DAY, url_or_default};

/// What every worker is told. The names of the variables are the same for the worker.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// `GITHUB_TOKEN`.
    pub github_token: SecretString,
    /// `CLAUDE_CODE_OAUTH_TOKEN` or `ANTHROPIC_API_KEY`; neither is needed with `RALPH_HARNESS=command`.
    pub model_credential: Option<ModelCredential>,
    /// `GITHUB_API_URL`.
    pub github_api_url: Url,
    /// `GITHUB_GIT_URL`.
    pub github_git_url: Url,
    /// `ANTHROPIC_BASE_URL`.
    pub anthropic_base_url: Url,
    /// `RALPH_HARNESS`.
    pub ralph_harness: String,
    /// `CLAUDE_BIN`.
    pub claude_bin: String,
    /// `CLAUDE_MODEL`.
    pub claude_model: Option<String>,
    /// `HEARTBEAT_INTERVAL_SECONDS`; part of [`Self::passed_on`], and here because leases depend on it.
    pub heartbeat: Duration,
    /// Settings that only the worker understands, and what programs need to find their way on this machine.
    pub passed_on: BTreeMap<&'static str, String>,
}

/// What a worker proves itself with to the model API (`DESIGN.md`, decision 17).
#[derive(Clone, Debug)]
pub enum ModelCredential {
    /// `ANTHROPIC_API_KEY`.
    ApiKey(SecretString),
    /// `CLAUDE_CODE_OAUTH_TOKEN`, of the owner of a Claude Max plan.
    OauthToken(SecretString),
}

impl WorkerSettings {
    pub(super) fn read(env: &mut Environment) -> Option<Self> {
        let github_token = env.required_secret(
            "GITHUB_TOKEN",
            "a GitHub personal access token with the permission repo",
        );
        let oauth_token = env.secret("CLAUDE_CODE_OAUTH_TOKEN");
        let ralph_harness = env.or_default("RALPH_HARNESS", "claude".to_owned(), harness());
        let api_key = if oauth_token.is_some() || ralph_harness == "command" {
            env.secret("ANTHROPIC_API_KEY")
        } else {
            env.required_secret(
                "ANTHROPIC_API_KEY",
                "a key of the Anthropic API, unless CLAUDE_CODE_OAUTH_TOKEN has the token of a Claude Max plan",
            )
        };
        let github_api_url = url_or_default(env, "GITHUB_API_URL", "https://api.github.com", http_url());
        let github_git_url = url_or_default(env, "GITHUB_GIT_URL", "https://github.com", http_url());
        let anthropic_base_url =
            url_or_default(env, "ANTHROPIC_BASE_URL", "https://api.anthropic.com", http_url());
        let claude_bin = env.or_default(
            "CLAUDE_BIN",
            "claude".to_owned(),
            text("a path or name of Claude Code"),
        );
        let claude_model = env.optional("CLAUDE_MODEL", text("the name of a model"));
        let (heartbeat, passed_on) = read_passed_on(env);
        // An OAuth token is only ever given for workers, while the API key may be there for intake alone.
        let model_credential = oauth_token
            .map(ModelCredential::OauthToken)
            .or(api_key.map(ModelCredential::ApiKey));
        Some(Self {
            github_token: github_token?,
            model_credential,
            github_api_url: github_api_url?,
            github_git_url: github_git_url?,
            anthropic_base_url: anthropic_base_url?,
            ralph_harness,
            claude_bin,
            claude_model,
            heartbeat,
            passed_on,
        })
    }
}

fn harness() -> Expected<String> {
    const HARNESSES: [&str; 4] = ["claude", "codex", "opencode", "command"];
    text("").only_if(format!("one of: {}", HARNESSES.join(", ")), |name| {
        HARNESSES.contains(&name.as_str())
    })
}

/// Reads what only the worker understands, with its own defaults, so that a wrong value is told here and not in the
/// log of each worker. Gives back `HEARTBEAT_INTERVAL_SECONDS` and all of it.
fn read_passed_on(env: &mut Environment) -> (Duration, BTreeMap<&'static str, String>) {
    const MILLISECOND: Duration = Duration::from_millis(1);
    let mut passed_on = BTreeMap::new();
    let mut duration = |name, default, expected| {
        let value: Duration = env.or_default(name, default, expected);
        passed_on.insert(name, value);
        value
    };
    let any_seconds = || seconds(MILLISECOND..=DAY);
    let heartbeat = duration(
        "HEARTBEAT_INTERVAL_SECONDS",
        Duration::from_secs(10),
        any_seconds(),
    );
    duration(
        "AGENT_IDLE_TIMEOUT_SECONDS",
        Duration::from_mins(15),
        any_seconds(),
    );
    duration("TEST_TIMEOUT_SECONDS", Duration::from_mins(30), any_seconds());
    duration(
        "LOCK_WAIT_TIMEOUT_SECONDS",
        Duration::from_mins(1),
        seconds(MILLISECOND..=Duration::from_hours(1)),
    );
    let mut passed_on: BTreeMap<&'static str, String> = passed_on
        .into_iter()
        .map(|(name, value)| (name, value.as_secs_f64().to_string()))
        .collect();

    let batch = milliseconds(MILLISECOND..=Duration::from_mins(1));
    let batch = env.or_default("EVENT_BATCH_MILLISECONDS", Duration::from_millis(250), batch);
    let stuck_threshold: u32 = env.or_default("STUCK_THRESHOLD", 3, whole_number(1..=1000));
    passed_on.insert("EVENT_BATCH_MILLISECONDS", batch.as_millis().to_string());
    passed_on.insert("STUCK_THRESHOLD", stuck_threshold.to_string());
    for name in ["LOG_LEVEL", "LOG_FORMAT"] {
        // Checked with the telemetry of this process.
        if env.is_set(name)
            && let Some(value) = env.optional(name, text("any"))
        {
            passed_on.insert(name, value);
        }
    }
    for name in machine::variables() {
        if env.is_set(name)
            && let Some(value) = env.optional(name, of_the_machine())
        {
            passed_on.insert(name, value);
        }
    }
    (heartbeat, passed_on)
}

/// Proxies may have a password.
fn of_the_machine() -> Expected<String> {
    Expected::new(
        "any text",
        |raw| Some(raw.to_owned()),
        |_value| "(set, passed on to workers)".to_owned(),
    )
}
