//! What is left of attempts, and what belongs to others.

use std::time::Duration;

use whim_core::WorkerId;
use whim_orchestrator::runtime::{AttemptState, Runtime as _};

use super::world::{IMAGE, World, docker};

const LONG: Duration = Duration::from_hours(1);

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn what_ended_longer_ago_than_the_retention_is_removed_and_nothing_else() {
    let (world, neighbour) = (World::new(), World::new());
    let (ended, running) = (world.start("exit 0").await, world.start("sleep 1000").await);
    let others = neighbour.start("exit 0").await;
    world.wait_for_end(ended).await;
    neighbour.wait_for_end(others).await;
    let name = world.container(ended);

    assert_eq!(world.runtime.clean(LONG).await.unwrap().attempts, 0);
    assert_eq!(world.runtime.clean(Duration::ZERO).await.unwrap().attempts, 1);

    assert_eq!(world.state(ended).await, None);
    assert_eq!(world.runtime.logs(ended, 100).await.unwrap(), None);
    let volumes = docker(&["volume", "ls", "--quiet"]);
    assert!(!volumes.lines().any(|volume| volume == name), "{volumes}");
    assert_eq!(world.state(running).await, Some(AttemptState::Running));
    assert!(neighbour.state(others).await.is_some());
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_container_that_was_created_and_never_started_is_no_worker_and_is_removed() {
    let world = World::new();
    let worker = WorkerId::new();
    // As an orchestrator leaves it that was killed between the two.
    let labels = [
        format!("whim.instance={}", world.runtime.instance()),
        format!("whim.worker-id={worker}"),
    ];
    let name = format!("whim-{worker}-1");
    docker(&[
        "volume", "create", "--label", &labels[0], "--label", &labels[1], &name,
    ]);
    let mount = format!("{name}:/workspace");
    docker(&[
        "create", "--name", &name, "--label", &labels[0], "--label", &labels[1], "--volume", &mount, IMAGE,
    ]);

    assert_eq!(world.runtime.list().await.unwrap(), []);
    world.runtime.clean(LONG).await.unwrap();

    assert_eq!(world.container(worker), "");
    let filter = format!("label={}", labels[0]);
    assert_eq!(docker(&["volume", "ls", "--quiet", "--filter", &filter]), "");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_volume_whose_container_is_gone_is_removed() {
    let world = World::new();
    let worker = world.start("sleep 1000").await;
    let name = world.container(worker);
    docker(&["rm", "--force", &name]);

    world.runtime.clean(LONG).await.unwrap();

    let volumes = docker(&["volume", "ls", "--quiet"]);
    assert!(!volumes.lines().any(|volume| volume == name), "{volumes}");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_restarted_orchestrator_finds_its_workers_and_no_others() {
    let (world, neighbour) = (World::new(), World::new());
    let (mine, ended) = (world.start("sleep 1000").await, world.start("exit 5").await);
    let others = neighbour.start("sleep 1000").await;
    let exit = world.wait_for_end(ended).await;

    let world = world.restarted();

    assert_eq!(world.state(mine).await, Some(AttemptState::Running));
    assert_eq!(world.state(ended).await, Some(AttemptState::Ended(exit)));
    assert_eq!(world.state(others).await, None);
    world.runtime.stop(others).await.unwrap();
    assert_eq!(neighbour.state(others).await, Some(AttemptState::Running));
}
