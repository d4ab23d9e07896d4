//! The settings of the socket proxy: a pure function of the environment.

use std::path::PathBuf;

use whim_containers::{DockerConfig, EngineHost};
use whim_service::environment::{Environment, path};
use whim_service::telemetry::TelemetryConfig;

/// Every setting, checked.
#[derive(Debug)]
pub struct Config {
    /// `SOCKET_PROXY_LISTEN`: the socket that the orchestrator gets.
    pub listen: PathBuf,
    /// What is let through, and to where.
    pub proxy: ProxyConfig,
    /// How it logs.
    pub telemetry: TelemetryConfig,
}

/// What is let through, and to where.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// The socket of the engine.
    pub engine: PathBuf,
    /// How the containers of workers are made: the orchestrator's settings.
    pub containers: DockerConfig,
}

impl Config {
    /// Reads every setting; `None` when one is wrong, which the environment remembers.
    pub fn read(env: &mut Environment) -> Option<Self> {
        let listen = env.or_default(
            "SOCKET_PROXY_LISTEN",
            PathBuf::from("/run/whim/engine/docker.sock"),
            path("the path of the socket that the orchestrator gets"),
        );
        let containers = DockerConfig::read(env);
        let telemetry = TelemetryConfig::read(env);
        let EngineHost(host) = &containers.host;
        let engine = host.strip_prefix("unix://").map(PathBuf::from);
        if engine.is_none() {
            env.refuse(
                "DOCKER_HOST",
                "the socket proxy needs the engine's own socket: expected unix:///path/of/the/socket",
            );
        }
        if !is_own_network(&containers.network) {
            env.refuse(
                "WORKER_NETWORK",
                "expected a network of the workers' own, which none of the engine's is",
            );
        }
        Some(Self {
            listen,
            proxy: ProxyConfig {
                engine: engine?,
                containers,
            },
            telemetry,
        })
    }
}

/// None of the engine's, and not the one of another container.
fn is_own_network(name: &str) -> bool {
    const ENGINES: [&str; 4] = ["bridge", "default", "host", "none"];
    let is_word = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    is_word && !ENGINES.contains(&name)
}
