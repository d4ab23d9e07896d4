//! The `docker` runtime: one container for each attempt, unprivileged, with resource limits, in a network of its own.
//!
//! The state is in the engine: containers and volumes carry the labels of this instance and the name of their attempt.

mod containers;
mod credentials;
mod engine;
mod events;
mod exit;
mod garbage;
mod health;
mod inner;
mod logs;
mod outage;
mod runc;
mod start;

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{BoxStream, StreamExt as _};
use tokio_stream::wrappers::WatchStream;
use whim_containers::DockerConfig;
use whim_core::WorkerId;

use self::engine::Engine;
use self::inner::Inner;
use crate::config::RuntimeConfig;
use crate::instance::Instance;
use crate::runtime::{Attempt, Cleaned, LogStream, Runtime, RuntimeError, RuntimeHandle};
use crate::worker_spec::WorkerSpec;

/// The `docker` runtime.
#[derive(Clone, Debug)]
pub struct DockerRuntime {
    inner: Arc<Inner>,
}

impl DockerRuntime {
    /// Locks `WORKSPACES_DIR`, which holds the name of this instance. The engine may be unavailable.
    ///
    /// # Errors
    /// The directory cannot be used, or another orchestrator uses it.
    pub fn open(config: &RuntimeConfig) -> anyhow::Result<Self> {
        let instance = Instance::take(&config.workspaces)?;
        Ok(Self {
            inner: Arc::new(Inner::new(instance, config)),
        })
    }

    /// The name and version of the engine at `DOCKER_HOST`.
    ///
    /// # Errors
    /// No engine answers there.
    pub async fn ping(config: &DockerConfig) -> anyhow::Result<String> {
        Engine::new(&config.host).ping().await
    }
}

impl Runtime for DockerRuntime {
    fn has_own_network(&self) -> bool {
        true
    }

    fn kind(&self) -> &'static str {
        "docker"
    }

    fn instance(&self) -> &str {
        &self.inner.instance.name
    }

    fn start(&self, spec: WorkerSpec) -> BoxFuture<'_, Result<RuntimeHandle, RuntimeError>> {
        async move {
            let started = self.inner.start(&spec).await;
            started
                .map_err(|error| RuntimeError::new(format!("starting the container {}", spec.name()), error))
        }
        .boxed()
    }

    fn stop(&self, worker: WorkerId) -> BoxFuture<'_, Result<(), RuntimeError>> {
        let stop = self.inner.stop(worker);
        stop.map(move |done| {
            done.map_err(|error| {
                RuntimeError::new(format!("stopping the container of the worker {worker}"), error)
            })
        })
        .boxed()
    }

    fn logs(&self, worker: WorkerId, bytes: u64) -> BoxFuture<'_, Result<Option<String>, RuntimeError>> {
        let logs = self.inner.logs(worker, bytes);
        logs.map(move |logs| logs.map_err(|error| logs::failed(worker, error)))
            .boxed()
    }

    fn follow(
        &self,
        worker: WorkerId,
        lines: usize,
        _bytes: u64,
    ) -> BoxFuture<'_, Result<Option<LogStream>, RuntimeError>> {
        let follow = self.inner.follow(worker, lines);
        follow
            .map(move |log| log.map_err(|error| logs::failed(worker, error)))
            .boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Attempt>, RuntimeError>> {
        let list = self.inner.list();
        list.map(|list| list.map_err(|error| RuntimeError::new("listing the containers of workers", error)))
            .boxed()
    }

    fn returns(&self) -> BoxStream<'static, ()> {
        WatchStream::from_changes(self.inner.returned.subscribe()).boxed()
    }

    fn exits(&self) -> BoxStream<'static, WorkerId> {
        events::exits(Arc::clone(&self.inner))
    }

    fn clean(&self, retention: Duration) -> BoxFuture<'_, Result<Cleaned, RuntimeError>> {
        let clean = self.inner.clean(retention);
        clean
            .map(|done| done.map_err(|error| RuntimeError::new("removing old containers and volumes", error)))
            .boxed()
    }

    fn health(&self) -> BoxFuture<'_, Result<String, RuntimeError>> {
        self.inner.health().boxed()
    }

    fn warnings(&self) -> BoxFuture<'_, Vec<String>> {
        self.inner.warnings().boxed()
    }
}
