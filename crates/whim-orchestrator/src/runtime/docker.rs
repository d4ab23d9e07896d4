//! Workers in containers: one for each attempt, without rights, with limits, in a network of their own.
//!
//! The runtime itself remembers nothing that the engine does not know, but what is going on just now; containers and
//! volumes are found by the labels of this orchestrator, and have the name of their attempt.

mod containers;
mod credentials;
mod engine;
mod exits;
mod logs;
mod outage;
mod runc;
mod start;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bollard::query_parameters::ListContainersOptionsBuilder;
use chrono::Utc;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{BoxStream, StreamExt as _};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use whim_containers::DockerConfig;
use whim_core::WorkerId;

use self::containers::Ended;
use self::engine::Engine;
use self::outage::Outage;
use super::instance::Instance;
use super::{Attempt, Cleaned, LogStream, Runtime, RuntimeError, RuntimeHandle, WorkerSpec};
use crate::config::RuntimeConfig;

/// The `docker` runtime.
#[derive(Clone, Debug)]
pub struct DockerRuntime {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    instance: Instance,
    config: DockerConfig,
    stop_grace: Duration,
    engine: Engine,
    known: RwLock<RuntimeCache>,
    /// Changes when the engine is back.
    returned: watch::Sender<()>,
}

/// What the engine does not know, or what saves asking it.
#[derive(Debug)]
struct RuntimeCache {
    /// When the engine was away.
    away: Outage,
    /// The names of containers that are being started just now.
    starting: BTreeSet<String>,
    /// Workers that were told to stop.
    stopped: BTreeSet<WorkerId>,
    /// Containers in which something ran out of memory.
    out_of_memory: BTreeSet<String>,
    /// Containers that ended.
    ended: BTreeMap<String, Ended>,
}

impl RuntimeCache {
    fn new() -> Self {
        Self {
            away: Outage::new(Utc::now()),
            starting: BTreeSet::new(),
            stopped: BTreeSet::new(),
            out_of_memory: BTreeSet::new(),
            ended: BTreeMap::new(),
        }
    }
}

impl DockerRuntime {
    /// Takes `WORKSPACES_DIR` for the name of this orchestrator; an engine that is away may come back.
    ///
    /// # Errors
    /// The directory cannot be used or is used by another orchestrator.
    pub fn open(config: &RuntimeConfig) -> anyhow::Result<Self> {
        let inner = Inner {
            instance: Instance::take(&config.workspaces)?,
            config: config.docker.clone(),
            stop_grace: config.stop_grace,
            engine: Engine::new(&config.docker.host),
            known: RwLock::new(RuntimeCache::new()),
            returned: watch::Sender::new(()),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Whether an engine answers where one is configured.
    pub async fn answers(config: &DockerConfig) -> bool {
        Engine::new(&config.host).answers().await
    }
}

impl Inner {
    fn known<T>(&self, change: impl FnOnce(&mut RuntimeCache) -> T) -> T {
        // Nothing that runs under the lock can leave the sets half changed.
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// The engine answers.
    fn answers(&self) {
        if self.known(|known| known.away.end(Utc::now())) {
            self.returned.send_replace(());
        }
    }

    async fn health(&self) -> Result<String, RuntimeError> {
        let engine = self.engine.ping().await;
        let engine = engine.map_err(|error| RuntimeError::new(error.to_string(), error))?;
        let docker = self.engine.connected().await;
        let docker = docker.map_err(|error| RuntimeError::new(error.to_string(), error))?;
        let insisted = self.require_patched_runc(docker).await;
        insisted.map_err(|error| RuntimeError::new(error.to_string(), error))?;
        let image = &self.config.image;
        match docker.inspect_image(image).await {
            Ok(_) => Ok(format!("{engine}, image {image}")),
            Err(error) if engine::refusal(&error) == Some(404) => {
                Err(RuntimeError::new(start::missing(image), error))
            }
            Err(error) => Err(RuntimeError::new(format!("looking for the image {image}"), error)),
        }
    }
}

impl Inner {
    async fn warnings(&self) -> Vec<String> {
        // That the engine is away is told by its health.
        self.check_for_weaknesses().await.unwrap_or_default()
    }

    async fn check_for_weaknesses(&self) -> anyhow::Result<Vec<String>> {
        let mut warnings = Vec::new();
        if !self.has_firewall().await? {
            let network = &self.config.network;
            warnings.push(format!(
                "Workers can reach this machine's own ports: no firewall runs for the network {network} (the service \
                 `firewall` of the compose file)."
            ));
        }
        let docker = self.engine.connected().await?;
        if !self.config.require_fixed_runc {
            warnings.extend(self.runc_warning(docker).await?);
        }
        Ok(warnings)
    }

    async fn has_firewall(&self) -> anyhow::Result<bool> {
        let docker = self.engine.connected().await?;
        let filters = whim_containers::firewall_of(&self.config.network);
        let options = ListContainersOptionsBuilder::new().filters(&filters).build();
        Ok(!docker.list_containers(Some(options)).await?.is_empty())
    }
}

impl Runtime for DockerRuntime {
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
        exits::exits(Arc::clone(&self.inner))
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
