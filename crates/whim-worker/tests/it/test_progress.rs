//! A long test run is progress, so that the orchestrator does not terminate the worker as stuck.

use std::time::Duration;

use whim_core::protocol::events::WorkerEventBody;
use whim_testkit::wait::wait_until;

use crate::world::{HAPPY, World};

/// The commands of the progress reports with their elapsed seconds.
fn progress(world: &World) -> Vec<(String, u64)> {
    let of_event = |event| {
        if let WorkerEventBody::TestsRunning {
            command,
            elapsed_seconds,
        } = event
        {
            Some((command, elapsed_seconds))
        } else {
            None
        }
    };
    let events = world.orchestrator.worker_events().into_iter();
    events.filter_map(of_event).collect()
}

async fn reported(
    world: &World,
    what: &str,
    is_reported: impl Fn(&[(String, u64)]) -> bool,
) -> anyhow::Result<()> {
    wait_until(what, Duration::from_secs(30), async || {
        let progress = progress(world);
        if is_reported(&progress) {
            Ok(())
        } else {
            Err(format!("{progress:?}"))
        }
    })
    .await
}

#[tokio::test]
async fn running_tests_are_reported_until_they_end() -> anyhow::Result<()> {
    let world = World::new(&[("README.md", "# Shop\n")], HAPPY).await?;
    let makefile = format!(
        "test:\n\t@until [ -e {} ]; do sleep 0.02; done\n",
        world.control().join("go").display()
    );
    let (repo, files) = (crate::world::REPO, [("Makefile", makefile.as_str())]);
    world.github.commit_files(repo, "main", "Add slow tests", &files);
    let world = world.with("HEARTBEAT_INTERVAL_SECONDS", "0.05");
    let worker = world.start()?;

    reported(&world, "a second of test progress", |progress| {
        progress.iter().any(|(_, seconds)| *seconds >= 1)
    })
    .await?;
    world.signal("go")?;
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let progress = progress(&world);
    assert_eq!(progress[0], ("make test".to_owned(), 0));
    assert!(
        progress.iter().all(|(command, _)| command == "make test"),
        "{progress:?}"
    );
    assert!(progress.is_sorted(), "{progress:?}");
    Ok(())
}

/// A preparation step can take as long as the tests.
#[tokio::test]
async fn running_preparation_steps_are_reported_with_their_command() -> anyhow::Result<()> {
    let world = World::new(&[("README.md", "# Shop\n")], HAPPY).await?;
    let install = format!(
        "until [ -e {} ]; do sleep 0.02; done",
        world.control().join("go").display()
    );
    let manifest = serde_json::json!({
        "name": "shop",
        "workspaces": ["parts/*"],
        "scripts": { "preinstall": install, "test": "true" },
    });
    let (repo, files) = (crate::world::REPO, [("package.json", &*manifest.to_string())]);
    world
        .github
        .commit_files(repo, "main", "Add slow preparation", &files);
    let world = world.with("HEARTBEAT_INTERVAL_SECONDS", "0.05");
    let worker = world.start()?;

    reported(&world, "progress of the preparation", |progress| {
        progress.len() >= 3
    })
    .await?;
    world.signal("go")?;
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let progress = progress(&world);
    assert_eq!(progress[0], ("npm install --no-audit --no-fund".to_owned(), 0));
    assert_eq!(
        progress.last().map(|(command, _)| command.as_str()),
        Some("npm test")
    );
    Ok(())
}
