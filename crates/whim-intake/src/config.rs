//! The settings of the intake: a pure function of the environment.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use whim_core::RepoName;
use whim_service::environment::{
    Environment, Expected, flag, http_url, milliseconds, parsed, seconds, text, whole_number,
};
use whim_service::telemetry::TelemetryConfig;

use crate::labels::OWN;

const LONGEST_SPEC_PERIOD: Duration = Duration::from_secs(5);

/// Every setting, checked.
#[derive(Debug)]
pub struct Config {
    /// `GITHUB_TOKEN`: may read and write the issues of `REPOS`.
    pub github_token: SecretString,
    /// `GITHUB_API_URL`: GitHub's REST interface; another one for GitHub Enterprise.
    pub github_api_url: Url,
    /// `REPOS`: the repositories to watch.
    pub repos: Vec<RepoName>,
    /// `INTAKE_LABEL`: the label that asks for Whim.
    pub intake_label: String,
    /// `POLL_INTERVAL`, in milliseconds: the time between two looks at a repository.
    pub poll_interval: Duration,
    /// `ORCHESTRATOR_URL`.
    pub orchestrator_url: Url,
    /// `API_KEY`: the orchestrator's.
    pub api_key: Option<SecretString>,
    /// How specs are written.
    pub specs: SpecConfig,
    /// `INTAKE_ADMIN_PORT` on loopback; `None` (0) serves no admin port.
    pub admin_address: Option<SocketAddr>,
    /// How it logs.
    pub telemetry: TelemetryConfig,
}

/// How specs are written.
#[derive(Debug)]
pub struct SpecConfig {
    /// `ANTHROPIC_API_KEY`.
    pub api_key: SecretString,
    /// `ANTHROPIC_BASE_URL`: the Messages API, or a gateway in front of it.
    pub base_url: Url,
    /// `SPEC_MODEL`.
    pub model: String,
    /// `SPEC_CONCURRENCY`: how many are written at once.
    pub concurrency: NonZeroUsize,
    /// `SPEC_TIMEOUT_SECONDS`: for one answer of the model.
    pub timeout: Duration,
    /// `POLL_INTERVAL`, but a few seconds at the most: how often to look for items that others submitted. Its own are
    /// begun at once.
    pub period: Duration,
}

impl Config {
    /// Reads every setting; `None` when one is wrong, which the environment remembers.
    pub fn read(env: &mut Environment) -> Option<Self> {
        let github_token = env.required_secret(
            "GITHUB_TOKEN",
            "a token that may read and write the repositories' issues",
        );
        let github_token = fit_for_a_header(env, "GITHUB_TOKEN", github_token);
        let github_api_url = env.or_default(
            "GITHUB_API_URL",
            default_url("https://api.github.com")?,
            http_url(),
        );
        let repos = env.required("REPOS", repos());
        let intake_label = env.or_default("INTAKE_LABEL", "whim".to_owned(), intake_label());
        let poll_interval = env.or_default(
            "POLL_INTERVAL",
            Duration::from_secs(60),
            milliseconds(Duration::from_millis(50)..=Duration::from_secs(86_400)),
        );
        let orchestrator_url = env.or_default(
            "ORCHESTRATOR_URL",
            default_url("http://localhost:3002")?,
            http_url(),
        );
        let api_key = env.secret("API_KEY");
        let api_key = fit_for_a_header(env, "API_KEY", api_key);
        if env.or_default("USE_RALPH_SPEC", false, flag()) {
            env.refuse(
                "USE_RALPH_SPEC",
                "this is not available yet; it comes with the interactive spec creation. Set it to false: specs are then written through the Anthropic Messages API",
            );
        }
        let specs = SpecConfig::read(env, poll_interval);
        let admin_port: u16 = env.or_default("INTAKE_ADMIN_PORT", 3006, whole_number(0..=u16::MAX));
        let telemetry = TelemetryConfig::read(env);
        Some(Self {
            github_token: github_token?,
            github_api_url,
            repos: repos?,
            intake_label,
            poll_interval,
            orchestrator_url,
            api_key,
            specs: specs?,
            admin_address: (admin_port != 0).then(|| (Ipv4Addr::LOCALHOST, admin_port).into()),
            telemetry,
        })
    }
}

impl SpecConfig {
    fn read(env: &mut Environment, poll_interval: Duration) -> Option<Self> {
        let api_key = env.required_secret(
            "ANTHROPIC_API_KEY",
            "a key of the Anthropic API, with which specs are written",
        );
        let api_key = fit_for_a_header(env, "ANTHROPIC_API_KEY", api_key);
        let base_url = env.or_default(
            "ANTHROPIC_BASE_URL",
            default_url("https://api.anthropic.com")?,
            http_url(),
        );
        let model = env.or_default(
            "SPEC_MODEL",
            "claude-sonnet-5-5".to_owned(),
            text("the name of a model"),
        );
        let concurrency = env.or_default(
            "SPEC_CONCURRENCY",
            NonZeroUsize::MIN.saturating_add(3),
            parsed("a whole number, at least 1"),
        );
        let timeout = env.or_default(
            "SPEC_TIMEOUT_SECONDS",
            Duration::from_secs(120),
            seconds(Duration::from_millis(100)..=Duration::from_secs(3600)),
        );
        Some(Self {
            api_key: api_key?,
            base_url,
            model,
            concurrency,
            timeout,
            period: poll_interval.min(LONGEST_SPEC_PERIOD),
        })
    }
}

/// Two entries of the same repository would be two watchers that comment over each other.
fn repos() -> Expected<Vec<RepoName>> {
    Expected::new(
        "a comma-separated list of repositories, each once and as `owner/name`, for example octocat/hello-world,octocat/spoon-knife",
        |raw| {
            let items = raw.split(',').map(str::trim).filter(|item| !item.is_empty());
            let repos: Vec<RepoName> = items.map(|item| item.parse().ok()).collect::<Option<_>>()?;
            let names: HashSet<String> = repos
                .iter()
                .map(|repo| repo.to_string().to_ascii_lowercase())
                .collect();
            (!repos.is_empty() && names.len() == repos.len()).then_some(repos)
        },
        |repos| {
            let names: Vec<String> = repos.iter().map(ToString::to_string).collect();
            names.join(",")
        },
    )
}

/// GitHub takes a comma for the end of a label's name when it lists issues.
fn intake_label() -> Expected<String> {
    let words = format!(
        "the label that asks for Whim: without a comma, and none of {}",
        OWN.join(", ")
    );
    text(words.clone()).only_if(words, |label| {
        !label.contains(',') && !OWN.iter().any(|own| own.eq_ignore_ascii_case(label))
    })
}

/// A secret that is sent in a header; one with other characters was copied wrongly.
fn fit_for_a_header(
    env: &mut Environment,
    name: &'static str,
    secret: Option<SecretString>,
) -> Option<SecretString> {
    let secret = secret?;
    if secret.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(secret);
    }
    env.refuse(
        name,
        "has characters that no key has: expected visible ASCII without spaces",
    );
    None
}

fn default_url(url: &str) -> Option<Url> {
    Url::parse(url).ok()
}
