//! The settings: a pure function of the environment.

mod people;

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use whim_core::RepoName;
use whim_service::environment::{
    Environment, Expected, flag, http_url, milliseconds, seconds, text, whole_number,
};
use whim_service::telemetry::TelemetryConfig;

use crate::labels::STATE_LABELS;
pub use crate::trust::{AllowedBot, AllowedUser};

const MAX_SPEC_PERIOD: Duration = Duration::from_secs(5);

/// Every setting, checked.
#[derive(Debug)]
pub struct Config {
    /// `GITHUB_TOKEN`, with read and write access to the issues of `REPOS`.
    pub github_token: SecretString,
    /// `GITHUB_API_URL`.
    pub github_api_url: Url,
    /// `REPOS`.
    pub repos: Vec<RepoName>,
    /// `INTAKE_LABEL`.
    pub intake_label: String,
    /// `ALLOWED_USERS`: may request runs, beside people who may write to the repository.
    pub allowed_users: Vec<AllowedUser>,
    /// `ALLOWED_BOTS`: apps that may request runs.
    pub allowed_bots: Vec<AllowedBot>,
    /// `DASHBOARD_URL`, for links in comments.
    pub dashboard_url: Option<Url>,
    /// `STATUS_COMMENT_INTERVAL_SECONDS`: between two edits of the comment on an issue.
    pub status_comment_interval: Duration,
    /// `GITHUB_WRITE_INTERVAL_SECONDS`: between two changes on GitHub.
    pub github_write_interval: Duration,
    /// `POLL_INTERVAL`, in milliseconds: between two polls of a repository.
    pub poll_interval: Duration,
    /// `ORCHESTRATOR_URL`.
    pub orchestrator_url: Url,
    /// `API_KEY`: the orchestrator's.
    pub api_key: Option<SecretString>,
    pub specs: SpecConfig,
    /// `INTAKE_ADMIN_PORT` on loopback; `None` (0) disables the admin port.
    pub admin_address: Option<SocketAddr>,
    pub telemetry: TelemetryConfig,
}

/// How specs are written.
#[derive(Debug)]
pub struct SpecConfig {
    /// `ANTHROPIC_API_KEY`.
    pub api_key: SecretString,
    /// `ANTHROPIC_BASE_URL`.
    pub base_url: Url,
    /// `SPEC_MODEL`.
    pub model: String,
    /// `SPEC_CONCURRENCY`.
    pub concurrency: NonZeroUsize,
    /// `SPEC_TIMEOUT_SECONDS`, per model request.
    pub timeout: Duration,
    /// Interval of the poll for items that others submitted: `POLL_INTERVAL`, at most a few seconds. The intake's own
    /// items start at once.
    pub period: Duration,
}

impl Config {
    /// Reads every setting; `None` if one is wrong, which `env` records.
    pub fn read(env: &mut Environment) -> Option<Self> {
        let github_token = env.required_secret(
            "GITHUB_TOKEN",
            "a token with read and write access to the repositories' issues",
        );
        let github_token = valid_in_header(env, "GITHUB_TOKEN", github_token);
        let github_api_url = env.or_default(
            "GITHUB_API_URL",
            default_url("https://api.github.com")?,
            http_url(),
        );
        let repos = env.required("REPOS", repos());
        let intake_label = env.or_default("INTAKE_LABEL", "whim".to_owned(), intake_label());
        let allowed_users = env.optional("ALLOWED_USERS", people::allowed_users());
        let allowed_bots = env.optional("ALLOWED_BOTS", people::allowed_bots());
        let dashboard_url = env.optional("DASHBOARD_URL", http_url());
        let status_comment_interval = env.or_default(
            "STATUS_COMMENT_INTERVAL_SECONDS",
            Duration::from_secs(15),
            seconds(Duration::ZERO..=Duration::from_secs(3600)),
        );
        let github_write_interval = env.or_default(
            "GITHUB_WRITE_INTERVAL_SECONDS",
            Duration::from_secs(1),
            seconds(Duration::ZERO..=Duration::from_secs(60)),
        );
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
        let api_key = valid_in_header(env, "API_KEY", api_key);
        if env.or_default("USE_RALPH_SPEC", false, flag()) {
            env.refuse(
                "USE_RALPH_SPEC",
                "not implemented yet: expected false, with which specs are written through the Anthropic Messages API",
            );
        }
        let specs = SpecConfig::read(env, poll_interval);
        let admin_address = Self::read_admin_address(env);
        let telemetry = TelemetryConfig::read(env);
        Some(Self {
            github_token: github_token?,
            github_api_url,
            repos: repos?,
            intake_label,
            allowed_users: allowed_users.unwrap_or_default(),
            allowed_bots: allowed_bots.unwrap_or_default(),
            dashboard_url,
            status_comment_interval,
            github_write_interval,
            poll_interval,
            orchestrator_url,
            api_key,
            specs: specs?,
            admin_address,
            telemetry,
        })
    }

    /// `INTAKE_ADMIN_PORT`, all that the health check needs.
    pub fn read_admin_address(env: &mut Environment) -> Option<SocketAddr> {
        let port: u16 = env.or_default("INTAKE_ADMIN_PORT", 3006, whole_number(0..=u16::MAX));
        (port != 0).then(|| (Ipv4Addr::LOCALHOST, port).into())
    }
}

impl SpecConfig {
    fn read(env: &mut Environment, poll_interval: Duration) -> Option<Self> {
        let api_key = env.required_secret(
            "ANTHROPIC_API_KEY",
            "an Anthropic API key, which writes the specs",
        );
        let api_key = valid_in_header(env, "ANTHROPIC_API_KEY", api_key);
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
            whole_number(NonZeroUsize::MIN..=NonZeroUsize::MIN.saturating_add(63)),
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
            period: poll_interval.min(MAX_SPEC_PERIOD),
        })
    }
}

/// Two entries of one repository would poll and comment twice.
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

/// GitHub's issue list takes a comma-separated list of labels.
fn intake_label() -> Expected<String> {
    let expected = format!("a label without a comma, and none of {}", STATE_LABELS.join(", "));
    text(expected.clone()).only_if(expected, |label| {
        !label.contains(',')
            && !STATE_LABELS
                .iter()
                .any(|reserved| reserved.eq_ignore_ascii_case(label))
    })
}

/// A secret for an HTTP header: visible ASCII.
fn valid_in_header(
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
        "contains characters that are not allowed: expected visible ASCII without spaces",
    );
    None
}

fn default_url(url: &str) -> Option<Url> {
    Url::parse(url).ok()
}
