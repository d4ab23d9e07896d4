//! The program: its command line, signals and exit codes.

use std::process::{Output, Stdio};
use std::time::Duration;

use axum::http::Method;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use whim_core::WorkItemStatus;
use whim_intake::config::Config;
use whim_service::environment::{Environment, Presence};
use whim_testkit::documents::default_settings;
use whim_testkit::github::Fault;
use whim_testkit::wait::wait_until;

use crate::world::{REPO, TIMEOUT, World};

fn command(directory: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whim-intake"));
    command
        .env_clear()
        .env("HOME", directory.path())
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Exit status and output of a run.
fn transcript(output: &Output) -> String {
    format!(
        "{}\n--- stdout\n{}--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Starts the program and waits until it has polled every repository once.
async fn started(world: &World, directory: &TempDir) -> Child {
    let ready_file = directory.path().join("ready.json");
    let child = command(directory)
        .envs(&world.settings)
        .arg("--ready-file")
        .arg(&ready_file)
        .spawn()
        .unwrap();
    wait_until("the ready file", TIMEOUT, async || {
        std::fs::read_to_string(&ready_file).map_err(|error| error.to_string())
    })
    .await
    .unwrap();
    child
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

async fn ended(child: Child) -> Output {
    tokio::time::timeout(TIMEOUT, child.wait_with_output())
        .await
        .expect("the program does not end")
        .unwrap()
}

#[tokio::test]
async fn without_settings_all_that_are_needed_are_named() {
    let directory = TempDir::new().unwrap();
    let output = command(&directory).output().await.unwrap();
    insta::assert_snapshot!(transcript(&output));
}

#[tokio::test]
async fn wrong_settings_are_all_named_at_once_and_secrets_not_shown() {
    let directory = TempDir::new().unwrap();
    let output = command(&directory)
        .env("GITHUB_TOKEN", "a secret with spaces")
        .env("GITHUB_API_URL", "api.github.com")
        .env("REPOS", "octocat/hello,Octocat/Hello")
        .env("INTAKE_LABEL", "ai-processing")
        .env("POLL_INTERVAL", "1 minute")
        .env("ORCHESTRATOR_URL", "ftp://user:password@localhost")
        .env("API_KEY", "schl\u{fc}ssel")
        .env("USE_RALPH_SPEC", "true")
        .env("ANTHROPIC_API_KEY", "")
        .env("ANTHROPIC_BASE_URL", "nowhere")
        .env("SPEC_CONCURRENCY", "0")
        .env("SPEC_TIMEOUT_SECONDS", "soon")
        .env("LOG_LEVEL", "info,=")
        .env("LOG_FORMAT", "xml")
        .output()
        .await
        .unwrap();
    insta::assert_snapshot!(transcript(&output));
}

#[tokio::test]
async fn help_lists_every_setting() {
    let directory = TempDir::new().unwrap();
    let output = command(&directory).arg("--help").output().await.unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
    let help = String::from_utf8(output.stdout).unwrap();
    // The settings of logs are the same for all programs.
    let own = |line: &&str| {
        let name = line.strip_prefix("  ").and_then(|line| line.split_once(": "));
        name.is_some_and(|(name, _)| name.chars().all(|it| it.is_ascii_uppercase() || it == '_'))
            && !line.contains("LOG")
    };
    let settings: Vec<&str> = help.lines().filter(own).collect();
    insta::assert_snapshot!(settings.join("\n"));
}

#[test]
fn each_default_is_the_documented_one() {
    let documented = default_settings().unwrap();
    let mut compared = 0;
    for setting in Environment::settings_of(Config::read) {
        // A default with a password is masked.
        if let Presence::Default(default) = &setting.presence
            && !default.contains("***")
            && let Some(Some(documented)) = documented.get(setting.name)
        {
            assert_eq!(default, documented, "{}", setting.name);
            compared += 1;
        }
    }
    assert!(compared > 8, "only {compared} settings were compared");
}

#[tokio::test]
async fn settings_are_checked_and_shown_without_starting_anything() {
    let directory = TempDir::new().unwrap();
    let check = async |repos: &str| {
        let mut command = command(&directory);
        command
            .args(["config", "check"])
            .env("GITHUB_TOKEN", "a-token")
            .env("ANTHROPIC_API_KEY", "a-key")
            .env("REPOS", repos);
        command.output().await.unwrap()
    };
    let good = check("octocat/hello").await;
    assert!(good.status.success(), "{}", transcript(&good));
    let shown = String::from_utf8(good.stdout).unwrap();
    for line in ["GITHUB_TOKEN=***", "REPOS=octocat/hello", "INTAKE_LABEL=whim"] {
        assert!(shown.lines().any(|shown| shown == line), "{line} in {shown}");
    }

    let bad = check("octocat").await;
    assert_eq!(bad.status.code(), Some(64), "{}", transcript(&bad));
}

#[tokio::test]
async fn check_creates_missing_labels_and_says_what_to_fix() {
    let mut world = World::new().await;
    let directory = TempDir::new().unwrap();
    let check = async |world: &World| {
        let mut command = command(&directory);
        command.arg("check").envs(&world.settings);
        command.output().await.unwrap()
    };
    let good = check(&world).await;
    assert!(good.status.success(), "{}", transcript(&good));
    let shown = String::from_utf8(good.stdout).unwrap();
    for text in [
        "ok   token ",
        "whim-bot (id ",
        "created: whim, ai-processing, ai-pr-ready, ai-failed, ai-needs-info, ai-refused",
        "ok   model ",
        "ok   orchestrator ",
        "ok   clock ",
    ] {
        assert!(shown.contains(text), "{text} in {shown}");
    }
    let mut labels = world.github.labels(REPO);
    labels.sort_unstable();
    let expected = [
        "ai-failed",
        "ai-needs-info",
        "ai-pr-ready",
        "ai-processing",
        "ai-refused",
        "whim",
    ];
    assert_eq!(labels, expected);
    let again = check(&world).await;
    assert!(transcript(&again).contains("are there"), "{}", transcript(&again));

    world.set("REPOS", format!("{REPO},octocat/missing"));
    world.set("SPEC_MODEL", "retired-model");
    world.take_orchestrator_down();
    let bad = check(&world).await;
    assert_eq!(bad.status.code(), Some(1), "{}", transcript(&bad));
    let shown = String::from_utf8(bad.stdout).unwrap();
    for text in [
        "FIX  octocat/missing ",
        "set SPEC_MODEL to a model that exists",
        "check ORCHESTRATOR_URL and API_KEY",
    ] {
        assert!(shown.contains(text), "{text} in {shown}");
    }
    for secret in [world.github.token(), world.anthropic.api_key()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn a_health_check_needs_only_the_port() {
    let directory = TempDir::new().unwrap();
    let mut command = command(&directory);
    let output = command
        .arg("healthcheck")
        .env("INTAKE_ADMIN_PORT", "0")
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output));
    assert!(
        transcript(&output).contains("INTAKE_ADMIN_PORT is 0"),
        "{}",
        transcript(&output)
    );
}

#[tokio::test]
async fn an_unknown_argument_is_a_usage_error() {
    let directory = TempDir::new().unwrap();
    let output = command(&directory).arg("--dry-run").output().await.unwrap();
    assert_eq!(output.status.code(), Some(64));
}

#[tokio::test]
async fn it_is_ready_after_the_first_poll_and_stops_in_order_on_sigterm() {
    let world = World::new().await;
    let issue = world.create_issue("Say hello");
    let directory = TempDir::new().unwrap();
    let child = started(&world, &directory).await;
    assert_eq!(world.labels(issue), ["whim", "ai-processing"]);
    world.until_status(issue, WorkItemStatus::Queued).await;
    signal(&child, Signal::TERM);
    let output = ended(child).await;
    assert!(output.status.success(), "{}", transcript(&output));
    let log = String::from_utf8(output.stderr).unwrap();
    for secret in [
        world.github.token(),
        world.anthropic.api_key(),
        &world.settings["API_KEY"],
    ] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test]
async fn it_stops_in_time_while_a_call_gets_no_response() {
    let world = World::new().await;
    let directory = TempDir::new().unwrap();
    let child = started(&world, &directory).await;
    let path = "/repos/{owner}/{repo}/issues";
    let stuck = Fault::on(Method::GET, path).delay(Duration::from_secs(3600));
    world.github.faults().push(stuck.cut_before());
    world
        .until("a call without a response", |world| {
            world.github.faults().pending() == 0
        })
        .await;
    signal(&child, Signal::TERM);
    let stopped = tokio::time::timeout(Duration::from_secs(5), child.wait_with_output());
    let output = stopped.await.expect("the program takes too long to end").unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
}

#[tokio::test]
async fn it_continues_after_a_kill() {
    let world = World::new().await;
    let directory = TempDir::new().unwrap();
    let child = started(&world, &directory).await;
    world.hold_response(Method::POST, "/api/work");
    let issue = world.create_issue("Say hello");
    world.until_response_held().await;
    signal(&child, Signal::KILL);
    ended(child).await;
    assert_eq!(world.labels(issue), ["whim"]);
    let _child = started(&world, &directory).await;
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
    world.until_status(issue, WorkItemStatus::Queued).await;
    assert_eq!(world.orchestrator.items().len(), 1);
    assert_eq!(world.run_posted(issue), None);
}

#[tokio::test]
async fn a_subcommand_queries_its_readiness() {
    let mut world = World::new().await;
    let port = free_port();
    world.set("INTAKE_ADMIN_PORT", port.to_string());
    let directory = TempDir::new().unwrap();
    let healthy = async || {
        let mut command = command(&directory);
        command.envs(&world.settings).arg("healthcheck");
        command.output().await.unwrap()
    };
    let output = healthy().await;
    assert!(
        !output.status.success(),
        "nothing listens: {}",
        transcript(&output)
    );

    let child = started(&world, &directory).await;
    let output = healthy().await;
    assert!(output.status.success(), "{}", transcript(&output));

    signal(&child, Signal::TERM);
    ended(child).await;
}

/// Free at the moment.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
