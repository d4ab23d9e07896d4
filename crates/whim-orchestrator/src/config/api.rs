//! Where the routes are served, and to whom.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use url::Url;
use whim_service::environment::{Environment, Expected, parsed, seconds, url, whole_number};
use whim_service::secret::SecretString;

/// Where the routes are served, and to whom.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// `BIND_ADDRESS` and `PORT`: the API for people and for intake.
    pub address: SocketAddr,
    /// `WORKER_BIND_ADDRESS` and `WORKER_PORT`: the routes of the workers, apart so that networks can separate them
    /// (`DESIGN.md`, decision 11).
    pub worker_address: SocketAddr,
    /// `WORKER_ORCHESTRATOR_URL`: what workers are told to call; without it, the address of the worker listener.
    pub worker_url: Option<Url>,
    /// `ADMIN_PORT` on loopback; `None` (0) serves no admin port.
    pub admin_address: Option<SocketAddr>,
    /// `HTTP_HEADER_TIMEOUT_SECONDS`: how long a connection is kept that sends no complete head of a request.
    pub head_limit: Duration,
    /// `API_KEY`: what callers of the API must present; without one only loopback is served.
    pub key: Option<SecretString>,
}

impl ApiConfig {
    pub(super) fn read(env: &mut Environment) -> Self {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let ip = || parsed::<IpAddr>("an IP address such as 127.0.0.1 or 0.0.0.0");
        let bind_address = env.or_default("BIND_ADDRESS", loopback, ip());
        let port = env.or_default("PORT", 3002, whole_number(0..=u16::MAX));
        let worker_bind_address = env.or_default("WORKER_BIND_ADDRESS", loopback, ip());
        let worker_port = env.or_default("WORKER_PORT", 3004, whole_number(0..=u16::MAX));
        let worker_url = env.optional("WORKER_ORCHESTRATOR_URL", worker_url());
        let admin_port: u16 = env.or_default("ADMIN_PORT", 3005, whole_number(0..=u16::MAX));
        let head_limit = env.or_default(
            "HTTP_HEADER_TIMEOUT_SECONDS",
            Duration::from_secs(30),
            seconds(Duration::from_millis(10)..=Duration::from_hours(1)),
        );
        let key = env.secret("API_KEY");
        if key.is_none() && !bind_address.is_loopback() {
            env.refuse(
                "BIND_ADDRESS",
                "without API_KEY only a loopback address such as 127.0.0.1 is served; set API_KEY to serve others",
            );
        }
        Self {
            address: SocketAddr::new(bind_address, port),
            worker_address: SocketAddr::new(worker_bind_address, worker_port),
            worker_url,
            admin_address: (admin_port != 0).then(|| SocketAddr::new(loopback, admin_port)),
            head_limit,
            key,
        }
    }
}

fn worker_url() -> Expected<Url> {
    let words = "a URL that starts with http:// or https://; when not set, that of the worker listener";
    url(words, &["http", "https"])
}
