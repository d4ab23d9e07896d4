use std::time::Duration;

use whim_testkit::wait::wait_until;

use crate::orchestrator::FakeBehavior;
use crate::world::{FILES, HAPPY, REPO, World};

#[tokio::test]
async fn events_are_buffered_while_the_orchestrator_is_unavailable() -> anyhow::Result<()> {
    let script = "begin; signal begun; await go; greet; part; signal done; await end; complete";
    let world = World::new(FILES, script).await?;
    let worker = world.start()?;
    world.signalled("begun").await?;

    world.set_orchestrator(FakeBehavior::Unavailable);
    world.signal("go")?;
    world.signalled("done").await?;
    world.pushed(2).await?;
    let before = world.orchestrator.heartbeat_count();
    wait_until("more heartbeats", Duration::from_secs(20), async || {
        let heartbeats = world.orchestrator.heartbeat_count();
        if heartbeats >= before + 2 {
            Ok(())
        } else {
            Err(format!("{heartbeats} heartbeats"))
        }
    })
    .await?;
    world.set_orchestrator(FakeBehavior::Normal);
    world.signal("end")?;
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let events = world.orchestrator.ralph_events();
    assert_eq!(events.iter().filter(|event| *event == "commit").count(), 2);
    assert_eq!(events.first().map(String::as_str), Some("started"));
    assert_eq!(events.last().map(String::as_str), Some("complete"));
    Ok(())
}

#[tokio::test]
async fn a_lost_response_duplicates_no_event() -> anyhow::Result<()> {
    let world = World::new(FILES, "begin; signal begun; await go; greet; part; complete").await?;
    let worker = world.start()?;
    world.signalled("begun").await?;

    world.set_orchestrator(FakeBehavior::LosesResponses);
    let before = world.orchestrator.heartbeat_count();
    world.signal("go")?;
    world.pushed(2).await?;
    wait_until("more heartbeats", Duration::from_secs(20), async || {
        let heartbeats = world.orchestrator.heartbeat_count();
        if heartbeats >= before + 3 {
            Ok(())
        } else {
            Err(format!("{heartbeats} heartbeats"))
        }
    })
    .await?;
    world.set_orchestrator(FakeBehavior::Normal);
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let events = world.orchestrator.ralph_events();
    assert_eq!(events.iter().filter(|event| *event == "started").count(), 1);
    assert_eq!(events.iter().filter(|event| *event == "commit").count(), 2);
    Ok(())
}

#[tokio::test]
async fn a_final_report_is_resent_unchanged_after_a_lost_response() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let worker = world.start()?;
    wait_until("the first heartbeat", Duration::from_secs(20), async || {
        if world.orchestrator.heartbeat_count() > 0 {
            Ok(())
        } else {
            Err("no heartbeat yet")
        }
    })
    .await?;
    world.set_orchestrator(FakeBehavior::LosesFinalResponse);

    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let [first, second] = world.orchestrator.final_reports().try_into().unwrap();
    assert_eq!(first, second);
    assert_eq!(world.github.pulls(REPO).len(), 1);
    Ok(())
}

#[tokio::test]
async fn registration_is_retried_while_the_orchestrator_is_unavailable() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    world.set_orchestrator(FakeBehavior::Unavailable);
    let worker = world.start()?;
    let log = world.attempt_directory().join("log");
    wait_until("a first attempt", Duration::from_secs(20), async || {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        if log.contains("retrying to register") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await?;

    world.set_orchestrator(FakeBehavior::Normal);

    let ended = worker.ended().await?;
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    Ok(())
}
