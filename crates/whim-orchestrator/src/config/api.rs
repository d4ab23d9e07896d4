//! The listeners of the API, the worker protocol and the admin port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use url::Url;
use whim_service::environment::{Environment, Expected, parsed, seconds, url, whole_number};
use whim_service::secret::{ExposeSecret as _, SecretString};

/// A shorter key can be guessed.
const MIN_KEY_CHARACTERS: usize = 12;

#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// `BIND_ADDRESS` and `PORT`: the API for users and the intake.
    pub address: SocketAddr,
    /// `WORKER_BIND_ADDRESS` and `WORKER_PORT`: the worker protocol, on a listener of its own so that networks can
    /// separate it from the API (docs/decisions/0007-worker-listener.md).
    pub worker_address: SocketAddr,
    /// `WORKER_ORCHESTRATOR_URL`: the worker protocol as workers reach it; `None` is the address of the listener.
    pub worker_url: Option<Url>,
    /// `ADMIN_PORT` on loopback; `None` (0) disables the admin port.
    pub admin_address: Option<SocketAddr>,
    /// `HTTP_HEADER_TIMEOUT_SECONDS`.
    pub head_limit: Duration,
    /// `API_KEY`; without one only loopback is served.
    pub key: Option<SecretString>,
}

impl ApiConfig {
    pub(super) fn read(env: &mut Environment) -> Self {
        let address = read_address(env);
        let worker_address = SocketAddr::new(
            env.or_default("WORKER_BIND_ADDRESS", LOOPBACK, ip_address()),
            env.or_default("WORKER_PORT", 3004, whole_number(0..=u16::MAX)),
        );
        let worker_url = env.optional("WORKER_ORCHESTRATOR_URL", worker_url());
        let admin_port: u16 = env.or_default("ADMIN_PORT", 3005, whole_number(0..=u16::MAX));
        let admin_address = (admin_port != 0).then(|| SocketAddr::new(LOOPBACK, admin_port));
        let head_limit = env.or_default(
            "HTTP_HEADER_TIMEOUT_SECONDS",
            Duration::from_secs(30),
            seconds(Duration::from_millis(10)..=Duration::from_hours(1)),
        );
        let key = env.secret("API_KEY");
        refuse_short_key(env, "API_KEY", key.as_ref());
        if key.is_none() && !address.ip().is_loopback() {
            env.refuse(
                "BIND_ADDRESS",
                "without API_KEY only a loopback address such as 127.0.0.1 is served; set API_KEY to serve others",
            );
        }
        refuse_shared_ports(env, address, worker_address, admin_address);
        Self {
            address,
            worker_address,
            worker_url,
            admin_address,
            head_limit,
            key,
        }
    }
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// `BIND_ADDRESS` and `PORT`.
pub(super) fn read_address(env: &mut Environment) -> SocketAddr {
    SocketAddr::new(
        env.or_default("BIND_ADDRESS", LOOPBACK, ip_address()),
        env.or_default("PORT", 3002, whole_number(0..=u16::MAX)),
    )
}

pub(super) fn refuse_short_key(env: &mut Environment, name: &'static str, key: Option<&SecretString>) {
    let length = key.map_or(MIN_KEY_CHARACTERS, |key| key.expose_secret().chars().count());
    if length < MIN_KEY_CHARACTERS {
        env.refuse(
            name,
            &format!(
                "expected at least {MIN_KEY_CHARACTERS} characters, not {length}: generate one with \
                 `openssl rand -hex 32`"
            ),
        );
    }
}

/// Port 0 is a free port each time.
fn refuse_shared_ports(
    env: &mut Environment,
    api: SocketAddr,
    worker: SocketAddr,
    admin: Option<SocketAddr>,
) {
    let overlap = |first: SocketAddr, second: SocketAddr| {
        let same_host =
            first.ip() == second.ip() || first.ip().is_unspecified() || second.ip().is_unspecified();
        first.port() != 0 && first.port() == second.port() && same_host
    };
    let mut refuse = |name, other: &str| {
        env.refuse(
            name,
            &format!("expected another port than {other}: each listener needs its own"),
        );
    };
    if overlap(api, worker) {
        refuse("WORKER_PORT", "PORT");
    }
    if admin.is_some_and(|admin| overlap(api, admin)) {
        refuse("ADMIN_PORT", "PORT");
    }
    if admin.is_some_and(|admin| overlap(worker, admin)) {
        refuse("ADMIN_PORT", "WORKER_PORT");
    }
}

fn ip_address() -> Expected<IpAddr> {
    parsed("an IP address such as 127.0.0.1 or 0.0.0.0")
}

fn worker_url() -> Expected<Url> {
    let words = "a URL that starts with http:// or https://; when not set, that of the worker listener";
    url(words, &["http", "https"])
}
