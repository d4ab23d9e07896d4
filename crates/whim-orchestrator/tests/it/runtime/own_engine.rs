//! A dedicated engine that a test may restart or whose disk it may fill. Needs root and `dockerd`.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set its world up has failed"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use whim_service::process::{ProcessIdentity, Signal};
use whim_testkit::disk::SmallDisk;
use whim_testkit::engine::{WORKER_TEST_IMAGE, docker_at, engine_host};
use whim_testkit::wait::wait_until;

use super::orchestrator::{Orchestrator, PATIENCE};

/// Within this time after the engine's return a dead worker must be detected.
const SECONDS: Duration = Duration::from_secs(10);

/// Twice the size of the image.
const DISK_BYTES: u64 = 600 * 1024 * 1024;

/// An engine separate from that of the other tests. Its workers have no network.
struct OwnEngine {
    directory: tempfile::TempDir,
    data: PathBuf,
    process: Option<Child>,
}

impl OwnEngine {
    /// Starts it with the worker image; its data is in `data`, or else in a temporary directory.
    async fn start(data: Option<&Path>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = data.map_or_else(|| directory.path().join("data"), Path::to_path_buf);
        let mut engine = Self {
            directory,
            data,
            process: None,
        };
        engine.start_again().await;
        let mut image = Command::new("docker")
            .args(["save", WORKER_TEST_IMAGE])
            .env("DOCKER_HOST", engine_host())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let loaded = Command::new("docker")
            .args(["load", "--quiet"])
            .env("DOCKER_HOST", engine.host())
            .stdin(image.stdout.take().unwrap())
            .output()
            .unwrap();
        assert!(loaded.status.success(), "{loaded:?}");
        assert!(image.wait().unwrap().success());
        engine
    }

    fn host(&self) -> String {
        format!("unix://{}", self.directory.path().join("socket").display())
    }

    async fn start_again(&mut self) {
        let path = |name: &str| self.directory.path().join(name);
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path("log"))
            .unwrap();
        // In its own network namespace: otherwise it would change the bridge and the rules of the other engine.
        let process = Command::new("unshare")
            .args(["--net", "--", "dockerd"])
            // A system-wide containerd would have containers of others.
            .args([
                "--containerd-namespace=whim-test",
                "--containerd-plugins-namespace=whim-test-plugins",
            ])
            .arg("--data-root")
            .arg(&self.data)
            .arg("--exec-root")
            .arg(path("exec"))
            .arg("--pidfile")
            .arg(path("pid"))
            .arg("--host")
            .arg(self.host())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(process);
        wait_until("the engine to answer", PATIENCE, async || {
            let answer = Command::new("docker")
                .arg("version")
                .env("DOCKER_HOST", self.host())
                .output()
                .unwrap();
            if answer.status.success() {
                Ok(())
            } else {
                let log = std::fs::read_to_string(path("log")).unwrap_or_default();
                Err(format!("{answer:?}\n{log}"))
            }
        })
        .await
        .unwrap();
    }

    /// Stops it like a service manager, or kills it; its helper processes end too.
    async fn end(&mut self, signal: Signal) {
        let pid_file = self.directory.path().join("exec/containerd/containerd.pid");
        let containerd: Option<u32> = std::fs::read_to_string(&pid_file)
            .ok()
            .and_then(|pid| pid.trim().parse().ok());
        let helper = containerd.and_then(|pid| ProcessIdentity::of(pid).unwrap());
        let mut process = self.process.take().unwrap();
        let identity = ProcessIdentity::of(process.id()).unwrap().unwrap();
        identity.signal(signal).unwrap();
        wait_until("the engine to exit", PATIENCE, async || {
            let engine_lives = process.try_wait().unwrap().is_none();
            let helper_lives = helper.is_some_and(|helper| helper.is_alive().unwrap());
            if engine_lives || helper_lives {
                Err(format!(
                    "engine alive: {engine_lives}, containerd alive: {helper_lives}"
                ))
            } else {
                Ok(())
            }
        })
        .await
        .unwrap();
        if pid_file.exists() {
            // A process that is not reaped would count as alive for the next engine.
            std::fs::remove_file(pid_file).unwrap();
        }
    }

    /// Simulates a power loss: only the disk remains, no process and no memory.
    async fn lose_power(&mut self) {
        let host = self.host();
        let containers = docker_at(&host, &["ps", "--quiet"]);
        let of_containers: Vec<ProcessIdentity> = containers
            .lines()
            .map(|id| docker_at(&host, &["inspect", "--format", "{{.State.Pid}}", id]))
            .filter_map(|pid| ProcessIdentity::of(pid.parse().unwrap()).unwrap())
            .collect();
        self.end(Signal::KILL).await;
        let exec = self.directory.path().join("exec");
        // The shim of each container would report its exit.
        let socket = exec.join("containerd/containerd.sock").display().to_string();
        for shim in processes_with_argument(&socket) {
            shim.signal(Signal::KILL).unwrap();
        }
        for process in of_containers {
            process.signal(Signal::KILL).unwrap();
        }
        for namespace in std::fs::read_dir(exec.join("netns")).into_iter().flatten() {
            let unmounted = Command::new("umount").arg(namespace.unwrap().path()).status();
            assert!(unmounted.unwrap().success());
        }
        std::fs::remove_dir_all(exec).unwrap();
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        // Its containers end with it. A zombie has no identity any more.
        if let Ok(Some(identity)) = ProcessIdentity::of(process.id()) {
            identity.signal(Signal::TERM).unwrap();
        }
        process.wait().unwrap();
    }
}

fn processes_with_argument(argument: &str) -> Vec<ProcessIdentity> {
    let of = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let command = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let has_it = command.split('\0').any(|given| given == argument);
        ProcessIdentity::of(pid).ok()?.filter(|_| has_it)
    };
    std::fs::read_dir("/proc").unwrap().filter_map(of).collect()
}

#[tokio::test]
#[ignore = "needs root and dockerd: scripts/ci/docker.sh"]
async fn a_worker_that_went_down_with_its_engine_is_replaced_within_seconds_and_no_retry_is_spent() {
    let mut engine = OwnEngine::start(None).await;
    // A spent retry would cause a backoff of one minute.
    let settings = [("WORKER_NETWORK", "none"), ("RETRY_DELAYS_SECONDS", "60")];
    let orchestrator = Orchestrator::start(&engine.host(), &engine.host(), &settings).await;
    let item = orchestrator.submit().await;
    let (mut worker, token) = orchestrator.running_worker(&item).await;
    orchestrator.register(&worker, &token).await;

    for signal in [Signal::TERM, Signal::KILL] {
        engine.end(signal).await;
        engine.start_again().await;
        let back = Instant::now();

        let dead = worker.clone();
        orchestrator
            .wait_for_item(&item, "the next attempt to start", |item| {
                item["workerId"].is_string() && item["workerId"] != json!(dead)
            })
            .await;
        let taken = back.elapsed();
        assert!(taken < SECONDS, "{signal:?}: {taken:?}\n{}", orchestrator.log());
        let (next, token) = orchestrator.running_worker(&item).await;
        orchestrator.register(&next, &token).await;
        worker = next;
        let now = orchestrator.item(&item).await;
        assert_eq!(
            (&now["status"], &now["retries"]),
            (&json!("in_progress"), &json!(0)),
            "{now}"
        );
    }
    orchestrator.cancel(&item).await;
    orchestrator.wait_until_only(None).await;
    orchestrator.terminate().await;
}

#[tokio::test]
#[ignore = "needs root and dockerd: scripts/ci/docker.sh"]
async fn a_worker_that_went_down_with_the_whole_machine_is_replaced_without_a_retry() {
    let mut engine = OwnEngine::start(None).await;
    let settings = [("WORKER_NETWORK", "none"), ("RETRY_DELAYS_SECONDS", "60")];
    let mut orchestrator = Orchestrator::start(&engine.host(), &engine.host(), &settings).await;
    let item = orchestrator.submit().await;
    let (worker, token) = orchestrator.running_worker(&item).await;
    orchestrator.register(&worker, &token).await;

    orchestrator.kill().await;
    engine.lose_power().await;
    engine.start_again().await;
    orchestrator.start_again(&engine.host()).await;

    orchestrator
        .wait_for_item(&item, "the next attempt to start", |item| item["leaseEpoch"] == 2)
        .await;
    let now = orchestrator.item(&item).await;
    assert_eq!(now["retries"], 0, "{now}");
    orchestrator.cancel(&item).await;
    orchestrator.wait_until_only(None).await;
    orchestrator.terminate().await;
}

#[tokio::test]
#[ignore = "needs root and dockerd: scripts/ci/docker.sh"]
async fn an_item_waits_while_the_engines_disk_is_full_and_the_status_reports_it() {
    let disk = SmallDisk::mount(DISK_BYTES)
        .unwrap()
        .expect("root may mount a small disk");
    let engine = OwnEngine::start(Some(disk.path())).await;
    let settings = [("WORKER_NETWORK", "none")];
    let orchestrator = Orchestrator::start(&engine.host(), &engine.host(), &settings).await;
    disk.fill().unwrap();

    let item = orchestrator.submit().await;
    let waiting = orchestrator
        .wait_for_item(&item, "a start to fail", |item| {
            item["failureCause"] == "runtime_unavailable"
        })
        .await;
    assert_eq!(waiting["retries"], 0, "{waiting}");
    let status = orchestrator.status().await;
    assert!(
        status["warnings"].to_string().contains("no space left on"),
        "{status}"
    );

    disk.empty().unwrap();
    let (worker, token) = orchestrator.running_worker(&item).await;
    orchestrator.register(&worker, &token).await;
    let now = orchestrator.item(&item).await;
    assert_eq!(
        (&now["status"], &now["retries"]),
        (&json!("in_progress"), &json!(0)),
        "{now}"
    );
    orchestrator.cancel(&item).await;
    orchestrator.wait_until_only(None).await;
    orchestrator.terminate().await;
}
