//! The connection between a worker and the orchestrator stays open and forwards nothing (`docs/faults.md`, row 16).

use std::time::{Duration, Instant};

use anyhow::Context as _;
use url::Url;
use whim_testkit::proxy::Proxy;

use crate::orchestrator::FakeBehavior;
use crate::world::{FILES, REPO, World, wait_until_exited};

/// In seconds. The worker has a fifth of it to terminate its agent.
const LEASE: u64 = 15;

async fn world(script: &str) -> anyhow::Result<(World, Proxy)> {
    let world = World::new(FILES, script).await?;
    let url = Url::parse(&world.orchestrator.url())?;
    let addresses = url.socket_addrs(|| None)?;
    let line = Proxy::start(*addresses.first().context("the orchestrator has an address")?)?;
    let through_it = format!("http://{}", line.address());
    Ok((world.with("ORCHESTRATOR_URL", through_it), line))
}

#[tokio::test]
async fn a_partitioned_worker_terminates_its_agent_before_its_lease_expires() -> anyhow::Result<()> {
    let script = "begin; greet; setsid sleep 1000 & echo \"$$ $!\" > \"$control/pids\"; signal half; await go; part; complete";
    let (world, line) = world(script).await?;
    let world = world.assigned(|registered| registered.lease_seconds = LEASE);
    let worker = world.start()?;
    world.signalled("half").await?;
    let pushed = world.pushed(1).await?;

    line.half_open();
    // The last renewal was before this, so the work item is not reassigned until the lease has passed since.
    let cut = Instant::now();
    let ended = worker.ended().await?;
    let took = cut.elapsed();

    assert_eq!(ended.code, Some(4), "{}", ended.log);
    assert!(took < Duration::from_secs(LEASE), "it took {took:?}");
    wait_until_exited(&world.script_output("pids")?).await?;
    // Requests that were in flight arrive now, and must have no effect.
    world.set_orchestrator(FakeBehavior::LeaseLost);
    line.heal();
    assert_eq!(world.branch_head(), Some(pushed));
    assert!(world.orchestrator.final_reports().is_empty());
    assert!(world.github.pulls(REPO).is_empty());
    Ok(())
}

#[tokio::test]
async fn events_of_a_partition_are_reported_afterwards_once_and_in_order() -> anyhow::Result<()> {
    let (world, line) =
        world("begin; signal begun; await go; greet; part; signal done; await end; complete").await?;
    let worker = world.start()?;
    world.signalled("begun").await?;

    line.half_open();
    world.signal("go")?;
    world.signalled("done").await?;
    world.pushed(2).await?;
    let known = world.orchestrator.ralph_events();
    line.heal();
    world.signal("end")?;
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(
        !known.iter().any(|event| event == "commit"),
        "reported during the partition: {known:?}"
    );
    let events = world.orchestrator.ralph_events();
    let commits = events.iter().filter(|event| *event == "commit");
    assert_eq!(commits.count(), 2, "{events:?}");
    assert_eq!(events.first().map(String::as_str), Some("started"));
    assert_eq!(events.last().map(String::as_str), Some("complete"));
    assert_eq!(world.github.pulls(REPO).len(), 1);
    Ok(())
}
