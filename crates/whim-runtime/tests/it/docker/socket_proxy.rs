//! The way to the engine that the compose file has: every test of this module goes through the socket proxy when
//! `WHIM_TEST_SOCKET_PROXY` names the program.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set its world up has failed"
)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use whim_runtime::Runtime as _;
use whim_service::chain::chain;

use whim_testkit::engine::{WORKER_TEST_IMAGE, docker, engine_host};

use super::world::{World, spec};
use crate::worker::PATIENCE;

/// A proxy with the settings of one orchestrator.
pub(crate) struct SocketProxy {
    program: Child,
    host: String,
}

impl SocketProxy {
    /// `None` when no program is named, or when the test has a way to the engine of its own.
    pub(crate) fn start(directory: &Path, network: &str, settings: &[(&str, &str)]) -> Option<Self> {
        let program = std::env::var_os("WHIM_TEST_SOCKET_PROXY")?;
        if settings.iter().any(|(name, _)| *name == "DOCKER_HOST") {
            return None;
        }
        let (socket, ready) = (directory.join("engine"), directory.join("proxy-is-ready"));
        let program = Command::new(program)
            .arg("--ready-file")
            .arg(&ready)
            .arg("--listen")
            .arg(&socket)
            .env_clear()
            .env("WORKER_IMAGE", WORKER_TEST_IMAGE)
            .env("WORKER_NETWORK", network)
            .envs(settings.iter().copied())
            .env("DOCKER_HOST", engine_host())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let proxy = Self {
            program,
            host: format!("unix://{}", socket.display()),
        };
        let begin = Instant::now();
        while !ready.exists() {
            assert!(begin.elapsed() < PATIENCE, "the socket proxy does not start");
            sleep(Duration::from_millis(10));
        }
        Some(proxy)
    }

    /// Where the runtime finds it.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }
}

impl Drop for SocketProxy {
    fn drop(&mut self) {
        let _killed = self.program.kill();
        let _ended = self.program.wait();
    }
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_worker_that_the_settings_of_the_proxy_do_not_allow_is_refused_and_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let Some(proxy) = SocketProxy::start(directory.path(), "whim-test-other", &[]) else {
        return;
    };
    // Its orchestrator wants another network than the proxy.
    let world = World::with(&[("DOCKER_HOST", proxy.host()), ("WORKER_PIDS", "300")]);

    let error = world.runtime.start(spec("true")).await.unwrap_err();

    let error = chain(&error).to_string();
    assert!(error.contains("the socket proxy refuses this"), "{error}");
    let label = format!("label=whim.instance={}", world.runtime.instance());
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &label]), "");
    assert_eq!(docker(&["volume", "ls", "--quiet", "--filter", &label]), "");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn an_old_runc_is_a_warning_and_starts_no_worker_where_the_owner_insists() {
    let world = World::new();
    let warnings = world.runtime.warnings().await;
    let is_old = warnings.iter().any(|warning| warning.contains("engine's runc"));
    world.start("true").await;

    let insisting = World::with(&[("REQUIRE_PATCHED_RUNC", "true")]);
    let started = insisting.runtime.start(spec("true")).await;

    assert_eq!(started.is_err(), is_old, "{warnings:?} {started:?}");
    let Err(error) = started else { return };
    let error = chain(&error).to_string();
    assert!(
        error.contains("runc") && error.contains("REQUIRE_PATCHED_RUNC"),
        "{error}"
    );
}
