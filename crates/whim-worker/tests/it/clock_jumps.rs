//! The clock of the worker's machine jumps (`docs/faults.md`, row 35). The worker only uses monotonic time.

use std::fs;
use std::process::Command;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use whim_testkit::tools;
use whim_testkit::wait::wait_until;

use crate::world::{FILES, REPO, World};

/// The library to preload for a fake clock; `None` if it is not installed.
fn fake_clock() -> anyhow::Result<Option<String>> {
    let Ok(faketime) = tools::faketime() else {
        return Ok(None);
    };
    let output = Command::new(faketime)
        .args(["-f", "+0", "sh", "-c", "printf %s \"$LD_PRELOAD\""])
        .output()?;
    Ok(Some(String::from_utf8(output.stdout)?))
}

const SKIPPED: &str = "SKIPPED: faketime is not installed; run ./scripts/setup.sh";

async fn worker_survives_jump(hours: i64, library: String) -> anyhow::Result<()> {
    let world = World::new(FILES, "begin; greet; await go; part; complete").await?;
    let (clock, next) = (
        world.directory.path().join("clock"),
        world.directory.path().join("clock.next"),
    );
    fs::write(&clock, "+0")?;
    let world = world
        .with("LD_PRELOAD", library)
        .with("FAKETIME_TIMESTAMP_FILE", clock.display().to_string())
        .with("FAKETIME_NO_CACHE", "1")
        // As when a clock is set, only the time of day jumps.
        .with("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let worker = world.start()?;
    world.pushed(1).await?;

    fs::write(&next, format!("{hours:+}h"))?;
    fs::rename(&next, &clock)?;
    // Its timers are not affected.
    let before = world.orchestrator.heartbeat_count();
    wait_until("heartbeats", Duration::from_secs(20), async || {
        let more = world.orchestrator.heartbeat_count() - before;
        if more >= 20 { Ok(()) } else { Err(more) }
    })
    .await?;
    world.signal("go")?;
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    world.completion()?;
    assert_eq!(world.github.pulls(REPO).len(), 1);
    let heartbeats = world.orchestrator.heartbeats();
    let last = heartbeats
        .iter()
        .flat_map(|heartbeat| &heartbeat.events)
        .next_back();
    let reported_at = last
        .map(|event| event.occurred_at - Utc::now())
        .unwrap_or_default();
    let deviation = reported_at - TimeDelta::hours(hours);
    assert!(
        deviation.abs() < TimeDelta::minutes(5),
        "its clock did not jump: {reported_at}"
    );
    Ok(())
}

#[tokio::test]
async fn a_worker_keeps_its_lease_when_its_clock_jumps_forward_by_an_hour() -> anyhow::Result<()> {
    let Some(library) = fake_clock()? else {
        println!("{SKIPPED}");
        return Ok(());
    };
    worker_survives_jump(1, library).await
}

#[tokio::test]
async fn a_worker_keeps_its_lease_when_its_clock_jumps_back_by_an_hour() -> anyhow::Result<()> {
    let Some(library) = fake_clock()? else {
        println!("{SKIPPED}");
        return Ok(());
    };
    worker_survives_jump(-1, library).await
}
