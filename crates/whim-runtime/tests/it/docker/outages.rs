//! An engine that is away, or that lacks something.

use futures::StreamExt as _;
use whim_runtime::{ExitKind, Runtime as _};
use whim_service::chain::chain;

use whim_testkit::engine::relay::{EngineRelay, Fault, Rule};
use whim_testkit::engine::{WORKER_TEST_IMAGE, docker, engine_host};

use super::world::{A_MOMENT, World, spec};
use crate::worker::PATIENCE;

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn an_exit_is_told_although_the_events_broke_off_when_it_happened() {
    let relay = EngineRelay::open();
    let world = World::with(&[("DOCKER_HOST", &relay.host())]);
    let first = world.start("exit 0").await;
    let second = world.start("echo up; sleep 1000").await;
    world.wait_for_line(second, "up").await;
    let mut exits = world.runtime.exits();
    assert_eq!(exits.next().await, Some(first), "the events are listened to");

    // Nobody polls the stream, so nobody listens, while this happens.
    relay.cut();
    docker(&["kill", &world.container(second)]);

    let told = tokio::time::timeout(PATIENCE, async {
        loop {
            // The first may be told again: events are hints.
            match exits.next().await {
                Some(worker) if worker == first => {}
                other => return other,
            }
        }
    });
    assert_eq!(told.await.unwrap(), Some(second));
    assert_eq!(world.wait_for_end(second).await.how, ExitKind::Signal(9));
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_missing_image_is_named_and_leaves_nothing_behind() {
    let world = World::with(&[("WORKER_IMAGE", "no-such-image:1")]);

    let error = world.runtime.start(spec("true")).await.unwrap_err();

    let error = chain(&error).to_string();
    assert!(
        error.contains("the engine has no image no-such-image:1: build it with"),
        "{error}"
    );
    let health = world.runtime.health().await.unwrap_err().to_string();
    assert!(health.contains("no-such-image:1"), "{health}");
    let label = format!("label=whim.instance={}", world.runtime.instance());
    assert_eq!(docker(&["volume", "ls", "--quiet", "--filter", &label]), "");
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &label]), "");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn an_engine_that_is_away_is_said_to_be_and_is_found_when_it_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let host = format!("unix://{}", socket.display());
    let world = World::with(&[("DOCKER_HOST", &host)]);

    let error = world.runtime.health().await.unwrap_err().to_string();
    assert_eq!(error, format!("the container engine does not answer at {host}"));
    assert!(world.runtime.start(spec("true")).await.is_err());
    let mut exits = world.runtime.exits();
    let nothing = tokio::time::timeout(A_MOMENT, exits.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");

    std::os::unix::fs::symlink(engine_host().trim_start_matches("unix://"), &socket).unwrap();
    let worker = world.start("exit 0").await;
    assert_eq!(
        tokio::time::timeout(PATIENCE, exits.next()).await.unwrap(),
        Some(worker)
    );
    assert!(world.runtime.health().await.unwrap().starts_with("Docker "));
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn that_no_firewall_runs_is_a_warning() {
    let world = World::new();
    let network = world.network();
    // The engine of these tests may have an old runc, which is another warning.
    let of_firewall = async || {
        let mut warnings = world.runtime.warnings().await;
        warnings.retain(|warning| warning.contains("firewall"));
        warnings
    };
    let warnings = of_firewall().await;
    assert!(
        matches!(warnings.as_slice(), [warning] if warning.contains(&network)),
        "{warnings:?}"
    );

    let label = format!("whim.firewall={network}");
    let own = format!("whim.instance={}", world.runtime.instance());
    docker(&[
        "run",
        "--detach",
        "--label",
        &label,
        "--label",
        &own,
        WORKER_TEST_IMAGE,
        "sleep",
        "1000",
    ]);

    assert_eq!(of_firewall().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_container_whose_creation_was_not_confirmed_is_found_and_not_doubled() {
    let relay = EngineRelay::with(Rule {
        method: "POST",
        path: "/containers/create",
        fault: Fault::ReplyLost,
    });
    let world = World::with(&[("DOCKER_HOST", &relay.host())]);

    let worker = world.start("echo up; sleep 1000").await;

    relay.reached().await;
    world.wait_for_line(worker, "up").await;
    let label = format!("label=whim.instance={}", world.runtime.instance());
    let containers = docker(&["ps", "--all", "--quiet", "--filter", &label]);
    assert_eq!(containers.lines().count(), 1, "{containers}");
}
