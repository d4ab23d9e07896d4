//! A `docker` runtime of one test, with workers that run scripts.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set its world up has failed"
)]

use std::path::Path;
use std::time::Duration;

use futures::StreamExt as _;
use whim_core::WorkerId;
use whim_runtime::docker::DockerRuntime;
use whim_runtime::{AttemptState, Exit, Runtime as _, WorkerSpec};
use whim_testkit::engine::{EngineGarbage, WORKER_TEST_IMAGE, docker, engine_host, network_of};
use whim_testkit::wait::wait_until;

use super::socket_proxy::SocketProxy;
use crate::worker::{self, PATIENCE};

/// A runtime; its containers, volumes and networks are removed on drop.
pub(crate) struct World {
    pub(crate) runtime: DockerRuntime,
    garbage: EngineGarbage,
    proxy: Option<SocketProxy>,
    directory: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// With settings on top of the tests' own.
    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let network = network_of(directory.path().to_str().unwrap());
        let proxy = SocketProxy::start(directory.path(), &network, settings);
        let host = proxy.as_ref().map(|proxy| ("DOCKER_HOST", proxy.host()));
        let settings: Vec<(&str, &str)> = settings.iter().copied().chain(host).collect();
        let runtime = open(directory.path(), &settings).unwrap();
        let garbage = EngineGarbage::of(runtime.instance(), &engine_host());
        Self {
            runtime,
            garbage,
            proxy,
            directory,
        }
    }

    /// The same orchestrator after a restart: without any state in memory.
    pub(crate) fn restarted(self) -> Self {
        let Self {
            runtime,
            garbage,
            proxy,
            directory,
        } = self;
        drop(runtime);
        let host = proxy.as_ref().map(|proxy| ("DOCKER_HOST", proxy.host()));
        let settings: Vec<(&str, &str)> = host.into_iter().collect();
        let runtime = open(directory.path(), &settings).unwrap();
        Self {
            runtime,
            garbage,
            proxy,
            directory,
        }
    }

    /// Starts a worker that runs a script.
    pub(crate) async fn start(&self, script: &str) -> WorkerId {
        let spec = spec(script);
        let worker = spec.worker_id;
        self.runtime.start(spec).await.unwrap();
        worker
    }

    pub(crate) async fn state(&self, worker: WorkerId) -> Option<AttemptState> {
        let attempts = self.runtime.list().await.unwrap();
        attempts
            .iter()
            .find(|attempt| attempt.worker_id == worker)
            .map(|attempt| attempt.state)
    }

    pub(crate) async fn wait_for_end(&self, worker: WorkerId) -> Exit {
        wait_until("the worker to end", PATIENCE, async || {
            match self.state(worker).await {
                Some(AttemptState::Ended(exit)) => Ok(exit),
                other => Err(format!("{other:?}, log: {}", self.log(worker).await)),
            }
        })
        .await
        .unwrap()
    }

    pub(crate) async fn log(&self, worker: WorkerId) -> String {
        let log = self.runtime.logs(worker, 100_000).await.unwrap();
        log.unwrap_or_default()
    }

    /// Waits until the worker printed a line.
    pub(crate) async fn wait_for_line(&self, worker: WorkerId, line: &str) {
        wait_until(&format!("the line {line:?}"), PATIENCE, async || {
            let log = self.log(worker).await;
            if log.lines().any(|printed| printed == line) {
                Ok(())
            } else {
                Err(log)
            }
        })
        .await
        .unwrap();
    }

    /// The network of its workers.
    pub(crate) fn network(&self) -> String {
        network_of(self.directory.path().to_str().unwrap())
    }

    /// The name of the container of a worker.
    pub(crate) fn container(&self, worker: WorkerId) -> String {
        let label = format!("label=whim.worker-id={worker}");
        docker(&["ps", "--all", "--filter", &label, "--format", "{{.Names}}"])
    }
}

/// A runtime with the test's image.
pub(crate) fn open(workspaces: &Path, settings: &[(&str, &str)]) -> anyhow::Result<DockerRuntime> {
    let host = engine_host();
    let workspaces = workspaces.to_str().unwrap();
    let network = network_of(workspaces);
    let own = [
        ("WORKER_RUNTIME", "docker"),
        ("WORKER_IMAGE", WORKER_TEST_IMAGE),
        ("WORKER_NETWORK", network.as_str()),
        ("STOP_GRACE_SECONDS", "1"),
        ("DOCKER_HOST", host.as_str()),
        ("WORKSPACES_DIR", workspaces),
    ];
    DockerRuntime::open(&worker::config(own.into_iter().chain(settings.iter().copied())))
}

/// A worker that runs a script.
pub(crate) fn spec(script: &str) -> WorkerSpec {
    worker::spec(
        ("TEST_SCRIPT", script),
        [
            ("worker-token", "canary-worker-token"),
            ("github-token", "canary-github-token"),
        ],
    )
}

/// The next exit that the runtime reports.
pub(crate) async fn next_exit(runtime: &DockerRuntime, during: impl Future<Output = ()>) -> Option<WorkerId> {
    let mut exits = runtime.exits();
    let (exit, ()) = futures::join!(tokio::time::timeout(PATIENCE, exits.next()), during);
    exit.ok().flatten()
}

/// How long a test waits for something that must not happen.
pub(crate) const A_MOMENT: Duration = Duration::from_millis(300);
