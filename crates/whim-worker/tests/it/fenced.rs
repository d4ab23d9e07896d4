use std::time::Duration;

use rustix::process::Signal;
use whim_testkit::wait::wait_until;

use crate::orchestrator::FakeBehavior;
use crate::world::{BRANCH, FILES, REPO, World, is_running, wait_until_exited};

/// Commits once, then waits with a child in its own session before the second commit.
const WAITING: &str = "begin; greet; setsid sleep 1000 & \
    echo \"$$ $!\" > \"$control/pids\"; signal half; await go; part; complete";

#[tokio::test]
async fn a_worker_stops_immediately_when_its_lease_is_lost() -> anyhow::Result<()> {
    let world = World::new(FILES, WAITING).await?;
    let worker = world.start()?;
    world.signalled("half").await?;
    let pushed = world.pushed(1).await?;

    world.set_orchestrator(FakeBehavior::LeaseLost);
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(4), "{}", ended.log);
    wait_until_exited(&world.script_output("pids")?).await?;
    assert_eq!(world.branch_head(), Some(pushed));
    assert!(world.orchestrator.final_reports().is_empty());
    assert!(world.github.pulls(REPO).is_empty());
    Ok(())
}

#[tokio::test]
async fn a_worker_suspended_beyond_its_lease_pushes_nothing_afterwards() -> anyhow::Result<()> {
    let world = World::new(FILES, WAITING)
        .await?
        .assigned(|registered| registered.lease_seconds = 5);
    let worker = world.start()?;
    world.signalled("half").await?;
    let pushed = world.pushed(1).await?;

    worker.signal(Signal::STOP)?;
    let theirs = world
        .github
        .commit_files(REPO, BRANCH, "The next attempt", &[("next.txt", "next")]);
    world.set_orchestrator(FakeBehavior::LeaseLost);
    // The agent is not suspended: it commits meanwhile.
    world.signal("go")?;
    let pids_file = world.control().join("pids");
    wait_until("the agent to exit", Duration::from_secs(20), async || {
        let pids = std::fs::read_to_string(&pids_file).unwrap_or_default();
        let agent = pids.split_whitespace().next().unwrap_or_default().to_owned();
        if is_running(&agent) {
            Err("it is running")
        } else {
            Ok(())
        }
    })
    .await?;
    worker.signal(Signal::CONT)?;
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(4), "{}", ended.log);
    wait_until_exited(&world.script_output("pids")?).await?;
    assert_ne!(theirs, pushed);
    assert_eq!(world.branch_head(), Some(theirs));
    assert!(world.orchestrator.final_reports().is_empty());
    assert!(world.github.pulls(REPO).is_empty());
    Ok(())
}

#[tokio::test]
async fn a_worker_stops_when_it_cannot_renew_its_lease() -> anyhow::Result<()> {
    let world = World::new(FILES, WAITING)
        .await?
        .assigned(|registered| registered.lease_seconds = 5);
    let worker = world.start()?;
    world.signalled("half").await?;
    let pushed = world.pushed(1).await?;

    world.set_orchestrator(FakeBehavior::Unavailable);
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(4), "{}", ended.log);
    wait_until_exited(&world.script_output("pids")?).await?;
    assert_eq!(world.branch_head(), Some(pushed));
    assert!(world.orchestrator.final_reports().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_worker_terminates_its_agent_on_sigterm_and_reports_nothing() -> anyhow::Result<()> {
    let world = World::new(FILES, WAITING).await?;
    let worker = world.start()?;
    world.signalled("half").await?;
    let pushed = world.pushed(1).await?;

    worker.signal(Signal::TERM)?;
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(5), "{}", ended.log);
    wait_until_exited(&world.script_output("pids")?).await?;
    assert_eq!(world.branch_head(), Some(pushed));
    assert!(world.orchestrator.final_reports().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_rejected_worker_does_nothing() -> anyhow::Result<()> {
    let world = World::new(FILES, WAITING).await?;
    world.set_orchestrator(FakeBehavior::LeaseLost);

    world.run_expecting(4).await?;

    assert_eq!(world.github.requests().len(), 0);
    Ok(())
}
