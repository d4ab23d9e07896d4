use std::time::Duration;

use whim_testkit::wait::wait_until;

use crate::orchestrator::Mood;
use crate::world::{FILES, HAPPY, REPO, World};

#[tokio::test]
async fn events_wait_while_the_orchestrator_is_away() -> anyhow::Result<()> {
    let script = "begin; tell begun; await go; greet; part; tell done; await end; complete";
    let world = World::new(FILES, script).await?;
    let worker = world.start()?;
    world.told("begun").await?;

    world.orchestrator.set_mood(Mood::Away);
    world.tell("go")?;
    world.told("done").await?;
    world.pushed(2).await?;
    let before = world.orchestrator.beats();
    wait_until("more attempts", Duration::from_secs(20), async || {
        let beats = world.orchestrator.beats();
        if beats >= before + 2 {
            Ok(())
        } else {
            Err(format!("{beats} heartbeats"))
        }
    })
    .await?;
    world.orchestrator.set_mood(Mood::Well);
    world.tell("end")?;
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let events = world.orchestrator.ralph_events();
    assert_eq!(events.iter().filter(|event| *event == "commit").count(), 2);
    assert_eq!(events.first().map(String::as_str), Some("started"));
    assert_eq!(events.last().map(String::as_str), Some("complete"));
    Ok(())
}

#[tokio::test]
async fn an_answer_that_is_lost_doubles_nothing() -> anyhow::Result<()> {
    let world = World::new(FILES, "begin; tell begun; await go; greet; part; complete").await?;
    let worker = world.start()?;
    world.told("begun").await?;

    world.orchestrator.set_mood(Mood::LosesAnswers);
    let before = world.orchestrator.beats();
    world.tell("go")?;
    world.pushed(2).await?;
    wait_until("more attempts", Duration::from_secs(20), async || {
        let beats = world.orchestrator.beats();
        if beats >= before + 3 {
            Ok(())
        } else {
            Err(format!("{beats} heartbeats"))
        }
    })
    .await?;
    world.orchestrator.set_mood(Mood::Well);
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let events = world.orchestrator.ralph_events();
    assert_eq!(events.iter().filter(|event| *event == "started").count(), 1);
    assert_eq!(events.iter().filter(|event| *event == "commit").count(), 2);
    Ok(())
}

#[tokio::test]
async fn a_last_report_whose_answer_is_lost_is_sent_again_as_it_was() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let worker = world.start()?;
    wait_until("the work to begin", Duration::from_secs(20), async || {
        if world.orchestrator.beats() > 0 {
            Ok(())
        } else {
            Err("no heartbeat yet")
        }
    })
    .await?;
    world.orchestrator.set_mood(Mood::LosesTheLastAnswer);

    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let [first, second] = world.orchestrator.finals().try_into().unwrap();
    assert_eq!(first, second);
    assert_eq!(world.github.pulls(REPO).len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_orchestrator_that_is_away_at_the_beginning_is_waited_for() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    world.orchestrator.set_mood(Mood::Away);
    let worker = world.start()?;
    let log = world.attempt_directory().join("log");
    wait_until("a first try", Duration::from_secs(20), async || {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        if log.contains("registering again") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await?;

    world.orchestrator.set_mood(Mood::Well);

    let ended = worker.ended().await?;
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    Ok(())
}
