//! What can never work ends the attempt before the agent starts.

use anyhow::Context as _;
use axum::http::{Method, StatusCode};
use serde_json::json;
use tokio::process::Command;
use whim_core::FailureCause;
use whim_core::protocol::preflight::PreflightOutcome;
use whim_testkit::github::Fault;

use crate::world::{BRANCH, FILES, HAPPY, REPO, World};

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
         that has it, such as the target `worker-full` of Whim's Dockerfile (WORKER_IMAGE, WORKER_IMAGES), install it with \
         `setup`, or name other `checks` in .whim/config.yml"
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

/// Subject and outcome of what the worker reported, in order.
fn reported(world: &World) -> anyhow::Result<Vec<(&'static str, PreflightOutcome)>> {
    let report = world.orchestrator.preflight().context("no preflight")?;
    let checks = report.checks.iter();
    Ok(checks
        .map(|check| (check.subject.as_str(), check.outcome))
        .collect())
}

#[tokio::test]
async fn what_was_examined_is_reported() -> anyhow::Result<()> {
    use PreflightOutcome::{Passed, Warning};
    let files = [
        ("Makefile", "test:\n\t@true\n"),
        (".gitmodules", "[submodule \"a\"]\n\tpath = a\n\turl = ../a.git\n"),
        (".gitattributes", "*.psd filter=lfs diff=lfs merge=lfs -text\n"),
        (".whim/config.yml", "setup: ['true']\n"),
    ];
    let world = World::new(&files, HAPPY).await?;

    world.run_expecting(0).await?;

    assert_eq!(
        reported(&world)?,
        [
            ("repository", Passed),
            ("rules", Passed),
            ("policy", Passed),
            ("contents", Warning),
            ("setup", Passed),
            ("tools", Passed),
        ]
    );
    let notices = world.orchestrator.notices();
    assert!(
        notices
            .iter()
            .any(|notice| notice.contains("has submodules") && notice.contains("files in Git LFS")),
        "{notices:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_repository_that_cannot_be_used_is_reported() -> anyhow::Result<()> {
    let world = World::new(&[], HAPPY).await?;
    world
        .github
        .commit_files(REPO, "whim", "In the way", &[("a", "b")]);

    world.run_expecting(2).await?;

    assert_eq!(reported(&world)?, [("repository", PreflightOutcome::Failed)]);
    let report = world.orchestrator.preflight().context("no preflight")?;
    let message = report.checks[0].message.clone().unwrap_or_default();
    assert!(message.contains("the branch whim exists"), "{message}");
    Ok(())
}

fn rule(kind: &str, operator: &str, pattern: &str) -> serde_json::Value {
    json!({ "type": kind, "parameters": { "operator": operator, "pattern": pattern, "negate": false } })
}

#[tokio::test]
async fn rules_that_no_push_can_meet_end_the_attempt_before_the_agent_starts() -> anyhow::Result<()> {
    for (rule, part) in [
        (
            json!({ "type": "required_signatures" }),
            "the ruleset \"Branches\" of the repository refuses every push of Whim to whim/7-say-hello: it requires \
             signed commits",
        ),
        (
            rule("branch_name_pattern", "starts_with", "feature/"),
            "the name of a branch must match \"feature/\"; BRANCH_PREFIX",
        ),
        (
            rule("commit_author_email_pattern", "ends_with", "@example.com"),
            "GIT_AUTHOR_NAME and GIT_AUTHOR_EMAIL set another",
        ),
    ] {
        let world = World::new(&[], HAPPY).await?;
        world.github.set_rules(REPO, vec![rule], false);

        world.run_expecting(2).await?;

        let failure = world.failure()?;
        assert_eq!(failure.cause, FailureCause::PushRefused);
        assert!(failure.reason.contains(part), "{}", failure.reason);
        assert!(world.script_output("arguments").is_err(), "the agent was started");
        assert_eq!(
            reported(&world)?.last(),
            Some(&("rules", PreflightOutcome::Failed))
        );
    }
    Ok(())
}

#[tokio::test]
async fn rules_that_whim_meets_or_may_bypass_do_not_stop_it() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let rules = vec![
        json!({ "type": "deletion" }),
        rule("branch_name_pattern", "starts_with", "whim/"),
    ];
    world.github.set_rules(REPO, rules, false);
    world.run_expecting(0).await?;

    let world = World::new(FILES, HAPPY).await?;
    let rules = vec![json!({ "type": "required_signatures" })];
    world.github.set_rules(REPO, rules, true);
    world.run_expecting(0).await?;
    Ok(())
}

#[tokio::test]
async fn rules_that_cannot_be_read_are_a_warning() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let fault = Fault::on(Method::GET, "/repos/{owner}/{repo}/rules/branches/{branch}");
    world
        .github
        .faults()
        .push(fault.server_error(StatusCode::SERVICE_UNAVAILABLE).always());

    world.run_expecting(0).await?;

    assert!(reported(&world)?.contains(&("rules", PreflightOutcome::Warning)));
    Ok(())
}

/// Runs `whim-worker preflight` on the repository.
async fn command(
    world: &World,
    arguments: &[&str],
    settings: &[(&str, &str)],
) -> anyhow::Result<(Option<i32>, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_whim-worker"))
        .args(["preflight", REPO])
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GITHUB_TOKEN", world.github.token())
        .env("GITHUB_API_URL", world.github.api_url())
        .env("GITHUB_GIT_URL", world.github.git_url())
        .env("GITHUB_RETRY_TIMEOUT_SECONDS", "1")
        .envs(settings.iter().copied())
        .output()
        .await?;
    let output_text = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
    Ok((output.status.code(), output_text))
}

#[tokio::test]
async fn the_command_examines_a_repository_and_changes_nothing() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;

    let (code, output) = command(&world, &[], &[]).await?;

    assert_eq!(code, Some(0), "{output}");
    assert_eq!(
        output,
        "repository: passed\nrules: passed\npolicy: passed\ncontents: passed\ntools: passed\n"
    );
    assert_eq!(world.github.branch_head(REPO, "whim/preflight"), None);

    let (code, output) = command(&world, &["--base", "gone"], &[]).await?;
    assert_eq!(code, Some(1), "{output}");
    assert_eq!(
        output,
        "repository: failed\n  the base branch gone does not exist\n"
    );
    Ok(())
}

#[tokio::test]
async fn the_base_of_the_policy_applies_to_items_that_name_none() -> anyhow::Result<()> {
    let world = World::new(&[(".whim/config.yml", "base: next\n")], HAPPY).await?;
    world
        .github
        .commit_files(REPO, "next", "Next", &[("next.txt", "next\n")]);

    world.run_expecting(0).await?;

    assert_eq!(world.github.pulls(REPO)[0].base, "next");
    assert_eq!(
        world.github.read_file(REPO, BRANCH, "next.txt").as_deref(),
        Some("next\n")
    );
    let preflight = world.orchestrator.preflight().context("no preflight")?;
    assert_eq!(preflight.base.map(String::from).as_deref(), Some("next"));
    Ok(())
}

#[tokio::test]
async fn the_command_masks_what_the_setup_prints() -> anyhow::Result<()> {
    let policy = "setup:\n  - echo \"$HTTPS_PROXY\"; exit 3\n";
    let world = World::new(&[(".whim/config.yml", policy)], HAPPY).await?;

    let proxy = ("HTTPS_PROXY", "user:secretpw@127.0.0.1:9");
    let (code, output) = command(&world, &[], &[proxy]).await?;

    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("user:***@127.0.0.1:9"), "{output}");
    assert!(!output.contains("secretpw"), "{output}");
    Ok(())
}
