//! The settings: a pure function of the environment.

mod login;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::http::HeaderValue;
use ipnet::IpNet;
use url::{Host, Url};
use whim_service::environment::{Environment, Expected, http_url, parsed, seconds, whole_number};
use whim_service::secret::{ExposeSecret as _, SecretString};
use whim_service::telemetry::TelemetryConfig;

pub use self::login::{LoginConfig, MIN_PASSWORD_CHARACTERS, Password};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Every setting, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `DASHBOARD_BIND_ADDRESS` and `DASHBOARD_PORT`.
    pub address: SocketAddr,
    /// `DASHBOARD_ADMIN_PORT` on loopback; `None` (0) disables the admin port.
    pub admin_address: Option<SocketAddr>,
    /// `DASHBOARD_HOSTS`: host names besides those of loopback by which requests may address the dashboard.
    pub hosts: Vec<Host>,
    /// `DASHBOARD_TRUSTED_PROXIES`: peers whose `X-Forwarded-…` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `HTTP_HEADER_TIMEOUT_SECONDS`.
    pub head_limit: Duration,
    /// `None` without a password, where only this machine can connect.
    pub login: Option<LoginConfig>,
    pub orchestrator: OrchestratorConfig,
    pub telemetry: TelemetryConfig,
}

/// The API behind the dashboard.
#[derive(Clone, Debug)]
pub struct OrchestratorConfig {
    /// `ORCHESTRATOR_URL`.
    pub url: Url,
    /// `API_KEY`, as the value of the header `Authorization`.
    pub authorization: Option<HeaderValue>,
    /// `DASHBOARD_UPSTREAM_TIMEOUT_SECONDS`: from the head of a request to the head of its response.
    pub timeout: Duration,
}

impl Config {
    /// Reads every setting; `None` if one is wrong, which `env` records.
    pub fn read(env: &mut Environment) -> Option<Self> {
        let bind = env.or_default("DASHBOARD_BIND_ADDRESS", LOOPBACK, ip_address());
        let address = SocketAddr::new(
            bind,
            env.or_default("DASHBOARD_PORT", 3003, whole_number(0..=u16::MAX)),
        );
        let published = env.optional("DASHBOARD_PUBLISHED_ADDRESS", ip_address());
        let hosts = env.list("DASHBOARD_HOSTS", host());
        let trusted_proxies = env.list("DASHBOARD_TRUSTED_PROXIES", network());
        let head_limit = env.or_default(
            "HTTP_HEADER_TIMEOUT_SECONDS",
            Duration::from_secs(30),
            seconds(Duration::from_millis(10)..=Duration::from_hours(1)),
        );
        let login = LoginConfig::read(env);
        let orchestrator = OrchestratorConfig::read(env);
        let admin_address = Self::read_admin_address(env);
        let telemetry = TelemetryConfig::read(env);

        let reach = Reach {
            address: published.unwrap_or(bind),
            has_hosts: !hosts.is_empty(),
            has_proxies: !trusted_proxies.is_empty(),
        };
        if let Some(why) = reach.by_others()
            && matches!(login, Ok(None))
        {
            env.refuse("DASHBOARD_PASSWORD", &needed_because(&why));
        }
        if admin_address.is_some_and(|admin| admin.port() == address.port() && address.port() != 0) {
            env.refuse(
                "DASHBOARD_ADMIN_PORT",
                "expected another port than DASHBOARD_PORT",
            );
        }
        Some(Self {
            address,
            admin_address,
            hosts,
            trusted_proxies,
            head_limit,
            login: login.ok()?,
            orchestrator: orchestrator?,
            telemetry,
        })
    }

    /// `DASHBOARD_ADMIN_PORT`, all that the health check needs.
    pub fn read_admin_address(env: &mut Environment) -> Option<SocketAddr> {
        let port: u16 = env.or_default("DASHBOARD_ADMIN_PORT", 3007, whole_number(0..=u16::MAX));
        (port != 0).then(|| SocketAddr::new(LOOPBACK, port))
    }
}

/// Where the dashboard can be reached from, as far as the settings say.
struct Reach {
    /// Of the listener, or of the published port of its container.
    address: IpAddr,
    has_hosts: bool,
    has_proxies: bool,
}

impl Reach {
    /// The setting by which others than this machine may connect.
    fn by_others(&self) -> Option<String> {
        if !self.address.is_loopback() {
            return Some(format!("the dashboard listens on {}", self.address));
        }
        if self.has_hosts {
            return Some("DASHBOARD_HOSTS names other hosts than this machine".to_owned());
        }
        self.has_proxies
            .then(|| "DASHBOARD_TRUSTED_PROXIES lets others connect".to_owned())
    }
}

fn needed_because(why: &str) -> String {
    format!(
        "{why}, where the dashboard needs a password: set DASHBOARD_PASSWORD to at least {MIN_PASSWORD_CHARACTERS} \
         characters (or DASHBOARD_PASSWORD_FILE, or DASHBOARD_PASSWORD_HASH)"
    )
}

impl OrchestratorConfig {
    fn read(env: &mut Environment) -> Option<Self> {
        let url = env.or_default(
            "ORCHESTRATOR_URL",
            Url::parse("http://localhost:3002").ok()?,
            http_url(),
        );
        let authorization = env.secret("API_KEY").map(|key| bearer(&key));
        let timeout = env.or_default(
            "DASHBOARD_UPSTREAM_TIMEOUT_SECONDS",
            Duration::from_secs(35),
            seconds(Duration::from_millis(10)..=Duration::from_hours(1)),
        );
        if matches!(authorization, Some(None)) {
            env.refuse(
                "API_KEY",
                "contains characters that are not allowed: expected visible ASCII without spaces",
            );
        }
        Some(Self {
            url,
            authorization: authorization.flatten(),
            timeout,
        })
    }
}

/// `None` if a header cannot carry the key.
fn bearer(key: &SecretString) -> Option<HeaderValue> {
    let key = key.expose_secret();
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let mut value = HeaderValue::try_from(format!("Bearer {key}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn ip_address() -> Expected<IpAddr> {
    parsed("an IP address such as 127.0.0.1 or 0.0.0.0")
}

/// Without a port: the port of a request is not compared.
fn host() -> Expected<Host> {
    Expected::new(
        "a host name or IP address without a port, such as whim.example.org",
        |raw| Host::parse(raw).ok(),
        Host::to_string,
    )
}

fn network() -> Expected<IpNet> {
    Expected::new(
        "an IP address or a network such as 10.1.0.0/16",
        |raw| {
            raw.parse()
                .ok()
                .or_else(|| raw.parse::<IpAddr>().ok().map(IpNet::from))
        },
        IpNet::to_string,
    )
}
