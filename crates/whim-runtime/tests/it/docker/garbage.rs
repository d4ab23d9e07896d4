//! What is left of attempts, and what belongs to others.

use std::time::Duration;

use whim_core::WorkerId;
use whim_runtime::{AttemptState, Runtime as _};

use whim_testkit::engine::{WORKER_TEST_IMAGE, docker};

use super::world::World;

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
        "create",
        "--name",
        &name,
        "--label",
        &labels[0],
        "--label",
        &labels[1],
        "--volume",
        &mount,
        WORKER_TEST_IMAGE,
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
    let (mine, ended) = (world.start("sleep 1000").await, world.start("exit 6").await);
    let others = neighbour.start("sleep 1000").await;
    let exit = world.wait_for_end(ended).await;

    let world = world.restarted();

    assert_eq!(world.state(mine).await, Some(AttemptState::Running));
    assert_eq!(world.state(ended).await, Some(AttemptState::Ended(exit)));
    assert_eq!(world.state(others).await, None);
    world.runtime.stop(others).await.unwrap();
    assert_eq!(neighbour.state(others).await, Some(AttemptState::Running));
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn of_many_leftovers_exactly_those_of_this_orchestrator_are_removed() {
    const MANY: usize = 100;
    let world = World::new();
    let neighbour = World::new();
    let running = world.start("sleep 1000").await;
    let ended = neighbour.start("exit 0").await;
    neighbour.wait_for_end(ended).await;
    let mine = label_of(&world);
    for _ in 0..MANY {
        leave_behind(&world);
    }
    for _ in 0..3 {
        leave_behind(&neighbour);
    }
    // What an earlier setting of WORKER_NETWORK left behind.
    let old = format!("{}-old", world.network());
    docker(&["network", "create", "--label", &mine, &old]);
    let theirs = everything_of(&label_of(&neighbour));
    assert_eq!(everything_of(&mine).len(), 2 * MANY + 2 + 2);

    world.runtime.clean(LONG).await.unwrap();

    let name = world.container(running);
    let network = world.network();
    assert_eq!(everything_of(&mine), [name.as_str(), &name, &network]);
    assert_eq!(everything_of(&label_of(&neighbour)), theirs);
    assert_eq!(world.state(running).await, Some(AttemptState::Running));
}

fn label_of(world: &World) -> String {
    format!("whim.instance={}", world.runtime.instance())
}

/// A container that was never started, with its volume.
fn leave_behind(world: &World) {
    let label = label_of(world);
    let worker = WorkerId::new();
    let (name, of) = (format!("whim-{worker}-1"), format!("whim.worker-id={worker}"));
    docker(&["volume", "create", "--label", &label, "--label", &of, &name]);
    let mount = format!("{name}:/workspace");
    docker(&[
        "create",
        "--name",
        &name,
        "--label",
        &label,
        "--label",
        &of,
        "--volume",
        &mount,
        WORKER_TEST_IMAGE,
    ]);
}

/// The names of containers, volumes and networks with a label.
fn everything_of(label: &str) -> Vec<String> {
    let filter = format!("label={label}");
    let lists = [
        docker(&["ps", "--all", "--format", "{{.Names}}", "--filter", &filter]),
        docker(&["volume", "ls", "--quiet", "--filter", &filter]),
        docker(&["network", "ls", "--format", "{{.Name}}", "--filter", &filter]),
    ];
    lists
        .iter()
        .flat_map(|list| list.lines())
        .map(str::to_owned)
        .collect()
}
