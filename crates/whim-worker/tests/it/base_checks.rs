//! Checks that do not pass run on the base as well: only what works without the change is a failure of the change.

use std::process::Command;

use whim_core::FailureCause;
use whim_core::protocol::checks::{BaseOutcome, CheckOutcome};

use crate::world::{BRANCH, HAPPY, REPO, World};

#[tokio::test]
async fn what_fails_on_the_base_as_well_is_delivered_and_said() -> anyhow::Result<()> {
    let world = World::new(&[("Makefile", "test:\n\t@echo broken; false\n")], HAPPY).await?;

    world.run_expecting(0).await?;

    let report = world.completion()?.tests.unwrap();
    assert!(report.passed);
    let check = &report.checks[0];
    assert_eq!(
        (check.outcome, check.base_outcome),
        (CheckOutcome::FailedOnBase, Some(BaseOutcome::Failed))
    );
    let body = world.github.pulls(REPO)[0].body.clone().unwrap_or_default();
    assert!(body.contains("| **failed**, on the base as well |"), "{body}");
    assert!(
        body.contains("`make`: exit code 2; it fails on the base as well"),
        "{body}"
    );
    Ok(())
}

/// `npm install` fails without access to the network.
fn manifest(preinstall: &str) -> String {
    serde_json::json!({
        "name": "shop",
        "workspaces": ["parts/*"],
        "scripts": { "preinstall": preinstall, "test": "true" },
    })
    .to_string()
}

#[tokio::test]
async fn a_preparation_that_fails_without_the_change_as_well_is_not_a_failure_of_the_change()
-> anyhow::Result<()> {
    let world = World::new(&[("package.json", &manifest("exit 3"))], HAPPY).await?;

    world.run_expecting(0).await?;

    let report = world.completion()?.tests.unwrap();
    let check = &report.checks[0];
    assert_eq!(
        (check.outcome, check.base_outcome),
        (CheckOutcome::CouldNotRun, Some(BaseOutcome::CouldNotRun))
    );
    assert_eq!(check.command, "npm install --no-audit --no-fund");
    assert!(report.passed);
    Ok(())
}

#[tokio::test]
async fn a_preparation_that_only_the_change_breaks_is_its_failure() -> anyhow::Result<()> {
    let broken = manifest("exit 3");
    let script = format!("begin; greet; commit package.json '{broken}' 'Prepare'; part; complete");
    let world = World::new(&[("package.json", &manifest("true"))], &script).await?;

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::TestsFailed);
    assert!(
        failure
            .reason
            .contains("the check `node` failed: `npm install --no-audit --no-fund`; it prepares the check"),
        "{}",
        failure.reason
    );
    Ok(())
}

#[tokio::test]
async fn a_registry_that_cannot_be_reached_is_not_the_fault_of_the_item() -> anyhow::Result<()> {
    let files = [
        (
            "package.json",
            r#"{"name": "shop", "dependencies": {"left-pad": "1.3.0"}, "scripts": {"test": "true"}}"#,
        ),
        // A port on which nothing listens.
        (".npmrc", "registry=http://127.0.0.1:9\nfetch-retries=0\n"),
    ];
    let world = World::new(&files, HAPPY).await?;

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::RegistryUnavailable);
    assert_eq!(
        failure.reason,
        "a package registry cannot be reached: npm error code ECONNREFUSED"
    );
    assert_eq!(
        failure.tests.unwrap().checks[0].outcome,
        CheckOutcome::CouldNotRun
    );
    assert!(world.github.pulls(REPO).is_empty());
    assert!(
        world.github.read_file(REPO, BRANCH, "farewell.txt").is_some(),
        "the work was not kept"
    );
    Ok(())
}

/// The search path with the toolchain itself first: rustup's `cargo` needs its home.
fn toolchain_path() -> anyhow::Result<String> {
    let printed = Command::new("rustc").args(["--print", "sysroot"]).output()?;
    let sysroot = String::from_utf8(printed.stdout)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(format!("{}/bin:{}", sysroot.trim(), path.to_string_lossy()))
}

#[tokio::test]
async fn every_kind_of_a_polyglot_project_is_checked() -> anyhow::Result<()> {
    let files = [
        ("package.json", r#"{"name": "shop", "scripts": {"test": "true"}}"#),
        (
            "Cargo.toml",
            "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n",
        ),
        ("src/lib.rs", "#[test]\nfn adds() {}\n"),
        ("Makefile", "test:\n\t@false\n"),
    ];
    let world = World::new(&files, HAPPY).await?.with("PATH", toolchain_path()?);

    world.run_expecting(0).await?;

    let report = world.completion()?.tests.unwrap();
    let names: Vec<&str> = report.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["rust", "node"]);
    assert_eq!((report.tests_passed, report.tests_failed), (Some(1), Some(0)));
    Ok(())
}

#[tokio::test]
async fn checks_find_nothing_that_the_agent_left_in_its_home() -> anyhow::Result<()> {
    let files = [(
        "Makefile",
        "test:\n\t@test ! -e \"$(HOME)/.poison\"\n\t@touch \"$(HOME)/.poison\"\n",
    )];
    let script = "touch \"$HOME/.poison\"; begin; greet; part; complete";
    let world = World::new(&files, script).await?;

    world.run_expecting(0).await?;

    let report = world.completion()?.tests.unwrap();
    assert_eq!(report.checks[0].outcome, CheckOutcome::Passed);
    Ok(())
}
