//! The settings: a pure function of the environment.

mod egress;
mod header;
mod model;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use url::Url;
use whim_service::environment::{Environment, http_url, parsed, seconds, whole_number};
use whim_service::secret::SecretString;
use whim_service::telemetry::TelemetryConfig;

pub use self::egress::{EgressConfig, EgressPolicy};
use self::header::in_header;
pub use self::model::{ModelConfig, ModelCredential, ModelPattern};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const MEBIBYTE: u64 = 1024 * 1024;

/// Every setting, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `GATEWAY_BIND_ADDRESS` and `GATEWAY_PORT`.
    pub address: SocketAddr,
    /// `GATEWAY_ADMIN_PORT` on loopback; `None` (0) disables the admin port.
    pub admin_address: Option<SocketAddr>,
    /// `HTTP_HEADER_TIMEOUT_SECONDS`.
    pub head_limit: Duration,
    pub orchestrator: OrchestratorConfig,
    pub github: GitHubConfig,
    pub model: ModelConfig,
    pub egress: EgressConfig,
    pub telemetry: TelemetryConfig,
}

/// Where attempts are looked up.
#[derive(Clone, Debug)]
pub struct OrchestratorConfig {
    /// `ORCHESTRATOR_URL`.
    pub url: Url,
    /// `GATEWAY_KEY`.
    pub key: SecretString,
    /// `GATEWAY_TOKEN_CACHE_SECONDS`: how long an answer about a token is used.
    pub token_cache: Duration,
}

#[derive(Clone, Debug)]
pub struct GitHubConfig {
    /// `GITHUB_API_URL`.
    pub api_url: Url,
    /// `GITHUB_GIT_URL`: repositories are at `owner/name.git` below it.
    pub git_url: Url,
    /// `GITHUB_TOKEN`.
    pub token: SecretString,
    /// `GATEWAY_MAX_PUSH_MEGABYTES`, in bytes.
    pub max_push_bytes: u64,
}

impl Config {
    /// Reads every setting; `None` if one is wrong, which `env` records.
    pub fn read(env: &mut Environment) -> Option<Self> {
        let address = SocketAddr::new(
            env.or_default(
                "GATEWAY_BIND_ADDRESS",
                LOOPBACK,
                parsed("an IP address such as 127.0.0.1 or 0.0.0.0"),
            ),
            env.or_default("GATEWAY_PORT", 3008, whole_number(0..=u16::MAX)),
        );
        let admin_address = Self::read_admin_address(env);
        let head_limit = env.or_default(
            "HTTP_HEADER_TIMEOUT_SECONDS",
            Duration::from_secs(30),
            seconds(Duration::from_millis(10)..=Duration::from_hours(1)),
        );
        let orchestrator = OrchestratorConfig::read(env);
        let github = GitHubConfig::read(env);
        let model = ModelConfig::read(env);
        let egress = EgressConfig::read(env);
        let telemetry = TelemetryConfig::read(env);
        if admin_address.is_some_and(|admin| admin.port() == address.port() && address.port() != 0) {
            env.refuse("GATEWAY_ADMIN_PORT", "expected another port than GATEWAY_PORT");
        }
        Some(Self {
            address,
            admin_address,
            head_limit,
            orchestrator: orchestrator?,
            github: github?,
            model: model?,
            egress,
            telemetry,
        })
    }

    /// `GATEWAY_ADMIN_PORT`, all that the health check needs.
    pub fn read_admin_address(env: &mut Environment) -> Option<SocketAddr> {
        let port: u16 = env.or_default("GATEWAY_ADMIN_PORT", 3009, whole_number(0..=u16::MAX));
        (port != 0).then(|| SocketAddr::new(LOOPBACK, port))
    }
}

impl OrchestratorConfig {
    fn read(env: &mut Environment) -> Option<Self> {
        let url = env.or_default(
            "ORCHESTRATOR_URL",
            Url::parse("http://localhost:3002").ok()?,
            http_url(),
        );
        let key = env.required_secret("GATEWAY_KEY", "a random secret that the orchestrator has as well");
        let token_cache = env.or_default(
            "GATEWAY_TOKEN_CACHE_SECONDS",
            Duration::from_secs(5),
            seconds(Duration::ZERO..=Duration::from_mins(5)),
        );
        let key = key?;
        in_header(env, "GATEWAY_KEY", "Bearer ", &key)?;
        Some(Self {
            url,
            key,
            token_cache,
        })
    }
}

impl GitHubConfig {
    fn read(env: &mut Environment) -> Option<Self> {
        let token = env.required_secret(
            "GITHUB_TOKEN",
            "a GitHub token with read and write access to contents and pull requests",
        );
        let api_url = env.or_default(
            "GITHUB_API_URL",
            Url::parse("https://api.github.com").ok()?,
            http_url(),
        );
        let git_url = env.or_default(
            "GITHUB_GIT_URL",
            Url::parse("https://github.com").ok()?,
            http_url(),
        );
        let max_push = env.or_default("GATEWAY_MAX_PUSH_MEGABYTES", 512, whole_number(1..=100_000u64));
        let token = token?;
        in_header(env, "GITHUB_TOKEN", "Bearer ", &token)?;
        Some(Self {
            api_url,
            git_url,
            token,
            max_push_bytes: max_push * MEBIBYTE,
        })
    }
}
