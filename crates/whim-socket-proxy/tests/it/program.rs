//! The program itself.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use whim_service::environment::{Environment, Presence};
use whim_socket_proxy::config::Config;
use whim_testkit::documents::default_settings;
use whim_testkit::wait::wait_until;

use crate::world::{PATIENCE, World};

fn program(settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whim-socket-proxy"));
    command
        .env_clear()
        .envs(settings.iter().copied())
        .stdin(Stdio::null());
    command
}

fn run(settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    program(settings).args(arguments).output().unwrap()
}

#[test]
fn settings_that_would_let_anything_through_are_refused() {
    let output = run(
        &[
            ("DOCKER_HOST", "tcp://10.0.0.1:2375"),
            ("WORKER_NETWORK", "host"),
            ("WORKER_PIDS", "1"),
        ],
        &[],
    );
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "whim-socket-proxy cannot start:\n\
         WORKER_PIDS is \"1\": expected a number of processes and threads from 64 to 4194304\n\
         DOCKER_HOST is tcp://10.0.0.1:2375: expected the engine's own socket: unix:///path/of/the/socket\n\
         WORKER_NETWORK is host: expected a network for workers only: not bridge, default, host or none, and not \
         that of a container\n"
    );
}

#[test]
fn each_default_is_the_documented_one() {
    let documented = default_settings().unwrap();
    let mut compared = 0;
    for setting in Environment::settings_of(Config::read) {
        // A default with a password is masked.
        if let Presence::Default(default) = &setting.presence
            && !default.contains("***")
            && let Some(Some(documented)) = documented.get(setting.name)
        {
            assert_eq!(default, documented, "{}", setting.name);
            compared += 1;
        }
    }
    assert!(compared > 5, "only {compared} settings were compared");
}

/// Ended with the test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let Self(child) = self;
        let _killed = child.kill();
        let _ended = child.wait();
    }
}

fn exists(path: &Path) -> Result<(), &'static str> {
    if path.exists() { Ok(()) } else { Err("not there") }
}

#[tokio::test]
async fn its_health_is_that_of_the_engine_and_a_socket_that_was_left_is_replaced() {
    // A proxy before the proxy: it answers `_ping` too.
    let mut engine = World::new();
    let directory = tempfile::tempdir().unwrap();
    let (socket, ready) = (directory.path().join("socket"), directory.path().join("ready"));
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let host = format!("unix://{}", engine.socket.display());
    // The health check needs no setting.
    let healthy = async || {
        let listen = socket.to_str().unwrap().to_owned();
        tokio::task::spawn_blocking(move || run(&[], &["healthcheck", "--listen", &listen]))
            .await
            .unwrap()
    };
    assert!(!healthy().await.status.success(), "no proxy is running");

    let _running = Running(
        program(&[("DOCKER_HOST", host.as_str())])
            .arg("--listen")
            .arg(&socket)
            .arg("--ready-file")
            .arg(&ready)
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    wait_until("the proxy", PATIENCE, async || exists(&ready))
        .await
        .unwrap();
    let output = healthy().await;
    assert!(output.status.success(), "{output:?}");

    engine.stop_engine().await;
    let output = healthy().await;
    assert!(!output.status.success(), "{output:?}");
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.contains("not healthy") && words.contains("does not answer"),
        "{words}"
    );
}
