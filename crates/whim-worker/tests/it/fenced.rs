use std::time::Duration;

use rustix::process::Signal;
use whim_testkit::wait::wait_until;

use crate::orchestrator::Mood;
use crate::world::{BRANCH, FILES, REPO, World, is_alive, wait_until_dead};

/// Commits once, then waits with a child in a session of its own, and would commit again.
const WAITING: &str = "begin; greet; setsid sleep 1000 & \
    echo \"$$ $!\" > \"$control/pids\"; tell half; await go; part; complete";

#[tokio::test]
async fn an_item_that_was_taken_away_is_left_at_once() -> anyhow::Result<()> {
    let world = World::new(FILES, WAITING).await?;
    let worker = world.start()?;
    world.told("half").await?;
    let pushed = world.pushed(1).await?;

    world.orchestrator.set_mood(Mood::TookTheItemAway);
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(4), "{}", ended.log);
    wait_until_dead(&world.note("pids")?).await?;
    assert_eq!(world.branch_head(), Some(pushed));
    assert!(world.orchestrator.finals().is_empty());
    assert!(world.github.pulls(REPO).is_empty());
    Ok(())
}

#[tokio::test]
async fn a_worker_that_was_paused_beyond_its_lease_pushes_nothing_afterwards() -> anyhow::Result<()> {
    let world = World::new(FILES, WAITING)
        .await?
        .assigned(|registered| registered.lease_seconds = 5);
    let worker = world.start()?;
    world.told("half").await?;
    let pushed = world.pushed(1).await?;

    worker.signal(Signal::STOP)?;
    let theirs = world
        .github
        .commit_files(REPO, BRANCH, "The next attempt", &[("next.txt", "next")]);
    world.orchestrator.set_mood(Mood::TookTheItemAway);
    // The agent is not paused: it commits while its worker cannot see it.
    world.tell("go")?;
    let half = world.control().join("pids");
    wait_until("the agent to end", Duration::from_secs(20), async || {
        let pids = std::fs::read_to_string(&half).unwrap_or_default();
        let agent = pids.split_whitespace().next().unwrap_or_default().to_owned();
        if is_alive(&agent) { Err("it lives") } else { Ok(()) }
    })
    .await?;
    worker.signal(Signal::CONT)?;
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(4), "{}", ended.log);
    wait_until_dead(&world.note("pids")?).await?;
    assert_ne!(theirs, pushed);
    assert_eq!(world.branch_head(), Some(theirs));
    assert!(world.orchestrator.finals().is_empty());
    assert!(world.github.pulls(REPO).is_empty());
    Ok(())
}

#[tokio::test]
async fn a_worker_that_cannot_renew_its_lease_ends_itself() -> anyhow::Result<()> {
    let world = World::new(FILES, WAITING)
        .await?
        .assigned(|registered| registered.lease_seconds = 5);
    let worker = world.start()?;
    world.told("half").await?;
    let pushed = world.pushed(1).await?;

    world.orchestrator.set_mood(Mood::Away);
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(4), "{}", ended.log);
    wait_until_dead(&world.note("pids")?).await?;
    assert_eq!(world.branch_head(), Some(pushed));
    assert!(world.orchestrator.finals().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_ends_its_agent_and_says_nothing() -> anyhow::Result<()> {
    let world = World::new(FILES, WAITING).await?;
    let worker = world.start()?;
    world.told("half").await?;
    let pushed = world.pushed(1).await?;

    worker.signal(Signal::TERM)?;
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(5), "{}", ended.log);
    wait_until_dead(&world.note("pids")?).await?;
    assert_eq!(world.branch_head(), Some(pushed));
    assert!(world.orchestrator.finals().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_worker_that_is_not_wanted_begins_nothing() -> anyhow::Result<()> {
    let world = World::new(FILES, WAITING).await?;
    world.orchestrator.set_mood(Mood::TookTheItemAway);

    world.run_to(4).await?;

    assert_eq!(world.github.requests().len(), 0);
    Ok(())
}
