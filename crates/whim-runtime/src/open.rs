//! Picks the runtime.

use std::sync::Arc;

use anyhow::bail;

use crate::config::{RuntimeConfig, RuntimeKind};
use crate::docker::DockerRuntime;
use crate::process::ProcessRuntime;
use crate::runtime::Runtime;

/// Who can connect to the orchestrator's listener for workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerListener {
    /// Only processes of this machine.
    Loopback,
    /// Containers as well, or an address was set that they can use.
    Network,
}

/// Opens the configured runtime, or with [`RuntimeKind::Auto`] the one that this machine offers.
///
/// # Errors
/// The runtime cannot be used on this machine as it is configured.
pub async fn open(config: &RuntimeConfig, listener: WorkerListener) -> anyhow::Result<Arc<dyn Runtime>> {
    match config.kind {
        RuntimeKind::Process => process(config),
        RuntimeKind::Docker => docker(config, listener).await,
        RuntimeKind::Auto if DockerRuntime::ping(&config.docker).await.is_err() => process(config),
        RuntimeKind::Auto => docker(config, listener).await,
    }
}

fn process(config: &RuntimeConfig) -> anyhow::Result<Arc<dyn Runtime>> {
    let shim = ProcessRuntime::this_program();
    Ok(Arc::new(ProcessRuntime::open(config, shim)?))
}

async fn docker(config: &RuntimeConfig, listener: WorkerListener) -> anyhow::Result<Arc<dyn Runtime>> {
    if listener == WorkerListener::Loopback {
        // Without an engine the address does not matter yet.
        if let Err(error) = DockerRuntime::ping(&config.docker).await {
            bail!(
                "{error}: start the engine, or set DOCKER_HOST to where it listens; or set WORKER_RUNTIME=process for \
                 workers without isolation"
            );
        }
        bail!(
            "workers in containers cannot call 127.0.0.1: set WORKER_BIND_ADDRESS to an address that containers reach \
             (172.17.0.1 with Docker on Linux), or WORKER_ORCHESTRATOR_URL to the URL that they should call; or set \
             WORKER_RUNTIME=process for workers without isolation"
        );
    }
    Ok(Arc::new(DockerRuntime::open(config)?))
}
