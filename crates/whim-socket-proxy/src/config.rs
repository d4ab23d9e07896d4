//! The settings of the socket proxy: a pure function of the environment.

use std::path::PathBuf;

use whim_containers::{DockerConfig, EngineHost};
use whim_service::environment::Environment;
use whim_service::telemetry::TelemetryConfig;

/// Every setting, checked.
#[derive(Debug)]
pub struct Config {
    pub proxy: ProxyConfig,
    pub telemetry: TelemetryConfig,
}

/// What is allowed, and the engine that gets it.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// The engine's socket.
    pub engine: PathBuf,
    /// The orchestrator's settings for worker containers: only such containers may be created.
    pub containers: DockerConfig,
}

impl Config {
    /// Reads every setting; `None` if one is wrong, which `env` records.
    pub fn read(env: &mut Environment) -> Option<Self> {
        let containers = DockerConfig::read(env);
        let telemetry = TelemetryConfig::read(env);
        let EngineHost(host) = &containers.host;
        let engine = host.strip_prefix("unix://").map(PathBuf::from);
        if engine.is_none() {
            env.refuse(
                "DOCKER_HOST",
                "expected the engine's own socket: unix:///path/of/the/socket",
            );
        }
        if !is_own_network(&containers.network) {
            env.refuse(
                "WORKER_NETWORK",
                "expected a network for workers only: not bridge, default, host or none, and not that of a container",
            );
        }
        Some(Self {
            proxy: ProxyConfig {
                engine: engine?,
                containers,
            },
            telemetry,
        })
    }
}

/// Neither a network of the engine itself nor `container:<id>`.
fn is_own_network(name: &str) -> bool {
    const ENGINES: [&str; 4] = ["bridge", "default", "host", "none"];
    let is_word = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    is_word && !ENGINES.contains(&name)
}
