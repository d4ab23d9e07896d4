//! An orchestrator's view of a container engine, with workers that do what a test wants.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set its world up has failed"
)]

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use futures::StreamExt as _;
use whim_core::{LeaseEpoch, RepoName, WorkItemId, WorkerId};
use whim_orchestrator::config::Config;
use whim_orchestrator::runtime::docker::DockerRuntime;
use whim_orchestrator::runtime::{AttemptState, Credential, Exit, Runtime as _, WorkerSpec};
use whim_service::environment::Environment;
use whim_service::secret::SecretString;
use whim_testkit::wait::wait_until;

use super::socket_proxy::SocketProxy;
use crate::app::PATIENCE;

/// Built by `scripts/ci/docker.sh`: runs what the variable `TEST_SCRIPT` says.
pub(crate) const IMAGE: &str = "whim-worker-test:ci";

/// Where the engine of the tests is.
#[expect(clippy::disallowed_methods, reason = "what the engine's own tools go by")]
pub(crate) fn engine_host() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

/// One orchestrator's containers. What is left of them goes with it.
pub(crate) struct World {
    pub(crate) runtime: DockerRuntime,
    leftovers: Garbage,
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
        let runtime = open(directory.path().to_path_buf(), &settings).unwrap();
        let leftovers = Garbage::of(runtime.instance(), &engine_host());
        Self {
            runtime,
            leftovers,
            proxy,
            directory,
        }
    }

    /// The same orchestrator after a restart: it remembers nothing.
    pub(crate) fn restarted(self) -> Self {
        let Self {
            runtime,
            leftovers,
            proxy,
            directory,
        } = self;
        drop(runtime);
        let host = proxy.as_ref().map(|proxy| ("DOCKER_HOST", proxy.host()));
        let settings: Vec<(&str, &str)> = host.into_iter().collect();
        let runtime = open(directory.path().to_path_buf(), &settings).unwrap();
        Self {
            runtime,
            leftovers,
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

/// What an engine has of an orchestrator; removed with this.
pub(crate) struct Garbage {
    instance: String,
    engine: String,
}

impl Garbage {
    pub(crate) fn of(instance: impl Into<String>, engine: &str) -> Self {
        Self {
            instance: instance.into(),
            engine: engine.to_owned(),
        }
    }

    fn remove(&self, list: &[&str], remove: &[&str]) {
        let Self { instance, engine } = self;
        let label = format!("label=whim.instance={instance}");
        let listed = docker_at(engine, &[list, &["--quiet", "--filter", &label]].concat());
        let names: Vec<&str> = listed.lines().collect();
        if !names.is_empty() {
            docker_at(engine, &[remove, &names].concat());
        }
    }
}

impl Drop for Garbage {
    fn drop(&mut self) {
        // What broke the test may be the engine; a second panic would hide the first.
        if std::thread::panicking() && !answers(&self.engine) {
            return;
        }
        self.remove(&["ps", "--all"], &["rm", "--force", "--volumes"]);
        self.remove(&["volume", "ls"], &["volume", "rm", "--force"]);
        self.remove(&["network", "ls"], &["network", "rm"]);
    }
}

fn answers(engine: &str) -> bool {
    let version = Command::new("docker")
        .arg("version")
        .env("DOCKER_HOST", engine)
        .output();
    version.is_ok_and(|version| version.status.success())
}

/// A runtime with the test's image.
pub(crate) fn open(workspaces: PathBuf, settings: &[(&str, &str)]) -> anyhow::Result<DockerRuntime> {
    let host = engine_host();
    let workspaces = workspaces.to_str().unwrap().to_owned();
    let network = network_of(&workspaces);
    let own = [
        ("GITHUB_TOKEN", "unused"),
        ("ANTHROPIC_API_KEY", "unused"),
        ("WORKER_RUNTIME", "docker"),
        ("WORKER_IMAGE", IMAGE),
        ("WORKER_NETWORK", network.as_str()),
        ("STOP_GRACE_SECONDS", "1"),
        ("DOCKER_HOST", host.as_str()),
        ("WORKSPACES_DIR", workspaces.as_str()),
    ];
    let own = own
        .into_iter()
        .filter(|(name, _)| !settings.iter().any(|(other, _)| other == name));
    let environment = Environment::from_pairs(own.chain(settings.iter().copied()));
    let config = Config::from_environment(environment)?.config;
    DockerRuntime::open(&config.runtime)
}

/// Of its own, like everything else.
pub(crate) fn network_of(workspaces: &str) -> String {
    format!("whim-test{}", workspaces.replace(['/', '.'], "-"))
}

/// A worker that runs a script.
pub(crate) fn spec(script: &str) -> WorkerSpec {
    let secret = |file_name, text: &str| Credential {
        file_name,
        secret: SecretString::from(text),
    };
    WorkerSpec {
        worker_id: WorkerId::new(),
        work_item_id: WorkItemId::new(),
        repo: RepoName::parse("acme/shop").unwrap(),
        epoch: LeaseEpoch::from_number(1),
        environment: [("TEST_SCRIPT".to_owned(), script.to_owned())].into(),
        credentials: vec![
            secret("worker-token", "canary-worker-token"),
            secret("github-token", "canary-github-token"),
        ],
    }
}

/// The next worker that the runtime tells of.
pub(crate) async fn next_exit(runtime: &DockerRuntime, during: impl Future<Output = ()>) -> Option<WorkerId> {
    let mut exits = runtime.exits();
    let (exit, ()) = futures::join!(tokio::time::timeout(PATIENCE, exits.next()), during);
    exit.ok().flatten()
}

/// Runs the engine's own command line, as somebody else would; gives back what it printed.
pub(crate) fn docker(arguments: &[&str]) -> String {
    docker_at(&engine_host(), arguments)
}

/// The same with another engine.
pub(crate) fn docker_at(engine: &str, arguments: &[&str]) -> String {
    let output = Command::new("docker")
        .args(arguments)
        .env("DOCKER_HOST", engine)
        .output()
        .unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A little time for something that must not happen to happen.
pub(crate) const A_MOMENT: Duration = Duration::from_millis(300);
