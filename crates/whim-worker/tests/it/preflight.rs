//! What can never work ends the attempt before the agent starts.

use anyhow::Context as _;
use whim_core::FailureCause;

use crate::world::{HAPPY, World};

/// Programs that a worker without checks needs.
const BASICS: [&str; 7] = ["git", "sh", "dirname", "env", "cat", "sed", "ls"];

/// A world whose `PATH` has only these programs.
async fn world_with(programs: &[&str], files: &[(&str, &str)]) -> anyhow::Result<World> {
    let world = World::new(files, HAPPY).await?;
    let directory = world.directory.path().join("programs");
    std::fs::create_dir(&directory)?;
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    for program in programs.iter().chain(&BASICS) {
        let found = std::env::split_paths(&search_path)
            .map(|directory| directory.join(program))
            .find(|path| path.exists());
        std::os::unix::fs::symlink(
            found.with_context(|| (*program).to_owned())?,
            directory.join(program),
        )?;
    }
    let path = directory.display().to_string();
    Ok(world.with("PATH", path))
}

#[tokio::test]
async fn a_tool_that_is_not_installed_is_named_before_the_agent_starts() -> anyhow::Result<()> {
    let world = world_with(&[], &[("go.mod", "module shop\n")]).await?;

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::ToolMissing);
    assert_eq!(
        failure.reason,
        "the check `go` needs `go`, which is not installed where the worker runs. Install it there, use a worker image \
         that has it (WORKER_IMAGE, WORKER_IMAGES), install it with `setup`, or name other `checks` in .whim/config.yml"
    );
    assert_eq!(failure.iterations, 0);
    assert!(world.script_output("arguments").is_err(), "the agent was started");
    Ok(())
}

#[tokio::test]
async fn the_tool_of_a_check_of_the_policy_is_searched_too() -> anyhow::Result<()> {
    let policy = "checks:\n  lint:\n    run: MODE=strict no-such-linter --all\n";
    let world = World::new(&[(".whim/config.yml", policy)], HAPPY).await?;

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::ToolMissing);
    assert!(
        failure
            .reason
            .starts_with("the check `lint` needs `no-such-linter`"),
        "{}",
        failure.reason
    );
    Ok(())
}

#[tokio::test]
async fn an_invalid_policy_ends_the_attempt_with_its_line_and_key() -> anyhow::Result<()> {
    let policy = "setup:\n  - true\nmaxIteration: 3\n";
    let world = World::new(&[(".whim/config.yml", policy)], HAPPY).await?;

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::WorkspaceUnusable);
    for part in [".whim/config.yml on main, line 3", "maxIteration"] {
        assert!(failure.reason.contains(part), "{}", failure.reason);
    }
    assert!(world.script_output("arguments").is_err(), "the agent was started");
    Ok(())
}

#[tokio::test]
async fn a_policy_with_a_misspelt_name_or_that_is_no_file_is_not_ignored() -> anyhow::Result<()> {
    for (path, part) in [
        (".whim/config.yaml", "rename it to .whim/config.yml"),
        (".whim/config.yml/x", ".whim/config.yml is not a regular file"),
    ] {
        let world = World::new(&[(path, "model: x\n")], HAPPY).await?;

        world.run_expecting(2).await?;

        let failure = world.failure()?;
        assert_eq!(failure.cause, FailureCause::WorkspaceUnusable);
        assert!(failure.reason.contains(part), "{}", failure.reason);
    }
    Ok(())
}

#[tokio::test]
async fn a_setup_that_fails_ends_the_attempt_before_the_agent_starts() -> anyhow::Result<()> {
    let policy = "setup:\n  - echo cannot prepare; exit 3\n";
    let world = World::new(&[(".whim/config.yml", policy)], HAPPY).await?;

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::WorkspaceUnusable);
    assert_eq!(
        failure.reason,
        "the setup of .whim/config.yml failed: `echo cannot prepare; exit 3`: exit code 3\n\ncannot prepare"
    );
    assert!(world.script_output("arguments").is_err(), "the agent was started");
    Ok(())
}
