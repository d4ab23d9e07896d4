//! The program: its settings, command line, signals and exit codes.

use std::process::{Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use whim_dashboard::config::{Config, Password};
use whim_service::environment::{Environment, Presence};
use whim_testkit::documents::default_settings;
use whim_testkit::free_port;
use whim_testkit::wait::wait_until;

use crate::world::{PASSWORD, TIMEOUT};

fn command(directory: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whim-dashboard"));
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

/// The problems with these settings.
fn problems(settings: &[(&str, &str)]) -> Vec<String> {
    let environment = Environment::from_pairs(settings.iter().copied());
    match environment.build(Config::read) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

/// Starts the program and returns it with its URL.
async fn started(directory: &TempDir, settings: &[(&str, &str)]) -> (Child, String) {
    whim_service::telemetry::install_crypto();
    let ready_file = directory.path().join("ready.json");
    let child = command(directory)
        .envs([("DASHBOARD_PORT", "0"), ("DASHBOARD_ADMIN_PORT", "0")])
        .envs(settings.iter().copied())
        .arg("--ready-file")
        .arg(&ready_file)
        .spawn()
        .unwrap();
    let ready = wait_until("the ready file", TIMEOUT, async || {
        std::fs::read_to_string(&ready_file).map_err(|error| error.to_string())
    })
    .await
    .unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    (child, ready["url"].as_str().unwrap().to_owned())
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

#[test]
fn where_others_can_connect_a_password_is_required() {
    for setting in [
        ("DASHBOARD_BIND_ADDRESS", "0.0.0.0"),
        ("DASHBOARD_BIND_ADDRESS", "::"),
        ("DASHBOARD_BIND_ADDRESS", "192.0.2.1"),
        ("DASHBOARD_PUBLISHED_ADDRESS", "0.0.0.0"),
        ("DASHBOARD_HOSTS", "whim.example.org"),
        ("DASHBOARD_TRUSTED_PROXIES", "10.0.0.0/8"),
    ] {
        let found = problems(&[setting]);
        let [problem] = found.as_slice() else {
            panic!("{setting:?}: {found:?}");
        };
        assert!(
            problem.contains("set DASHBOARD_PASSWORD to at least 12 characters"),
            "{problem}"
        );
        assert_eq!(problems(&[setting, ("DASHBOARD_PASSWORD", PASSWORD)]), [""; 0]);
    }
    for setting in [
        ("DASHBOARD_BIND_ADDRESS", "127.0.0.1"),
        ("DASHBOARD_BIND_ADDRESS", "::1"),
        ("DASHBOARD_HOSTS", ""),
    ] {
        assert_eq!(problems(&[setting]), [""; 0]);
    }
}

#[test]
fn a_container_whose_port_is_published_on_loopback_needs_no_password() {
    let inside = ("DASHBOARD_BIND_ADDRESS", "0.0.0.0");
    assert_eq!(
        problems(&[inside, ("DASHBOARD_PUBLISHED_ADDRESS", "127.0.0.1")]),
        [""; 0]
    );
    assert_eq!(
        problems(&[inside, ("DASHBOARD_PUBLISHED_ADDRESS", "192.0.2.1")]).len(),
        1
    );
}

#[test]
fn a_password_is_long_enough_and_given_once_and_never_shown() {
    let hash =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Y29ycmVjdGhvcnNlYmF0dGVyeXN0YXBsZWFuZG1vcmU";
    assert_eq!(problems(&[("DASHBOARD_PASSWORD_HASH", hash)]), [""; 0]);
    for (settings, expected) in [
        (
            vec![("DASHBOARD_PASSWORD", "hunter2")],
            "expected at least 12 characters, not 7",
        ),
        (
            vec![("DASHBOARD_PASSWORD_HASH", "hunter2hunter2")],
            "whim-dashboard hash-password",
        ),
        (
            vec![("DASHBOARD_PASSWORD_HASH", "$argon2id$v=19$m=19456,t=2,p=1")],
            "whim-dashboard hash-password",
        ),
        (
            vec![(
                "DASHBOARD_PASSWORD_HASH",
                "$scrypt$ln=17,r=8,p=1$c29tZXNhbHQ$c29tZWhhc2g",
            )],
            "whim-dashboard hash-password",
        ),
        (
            vec![
                ("DASHBOARD_PASSWORD", PASSWORD),
                ("DASHBOARD_PASSWORD_HASH", hash),
            ],
            "set one of them",
        ),
    ] {
        let found = problems(&settings);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(expected), "{found:?}");
        assert!(!found[0].contains("hunter2"), "{found:?}");
    }
}

#[test]
fn wrong_settings_are_all_named_at_once() {
    let found = problems(&[
        ("DASHBOARD_BIND_ADDRESS", "everywhere"),
        ("DASHBOARD_PORT", "70000"),
        ("DASHBOARD_PUBLISHED_ADDRESS", "localhost"),
        ("DASHBOARD_HOSTS", "whim.example.org:3003"),
        ("DASHBOARD_TRUSTED_PROXIES", "10.0.0.0/99"),
        ("DASHBOARD_SESSION_HOURS", "0"),
        ("DASHBOARD_UPSTREAM_TIMEOUT_SECONDS", "soon"),
        ("ORCHESTRATOR_URL", "ftp://localhost"),
        ("API_KEY", "schl\u{fc}ssel"),
    ]);
    let names: Vec<&str> = found
        .iter()
        .filter_map(|problem| problem.split(' ').next())
        .collect();
    for name in [
        "DASHBOARD_BIND_ADDRESS",
        "DASHBOARD_PORT",
        "DASHBOARD_PUBLISHED_ADDRESS",
        "DASHBOARD_HOSTS",
        "DASHBOARD_TRUSTED_PROXIES",
        "DASHBOARD_SESSION_HOURS",
        "DASHBOARD_UPSTREAM_TIMEOUT_SECONDS",
        "ORCHESTRATOR_URL",
        "API_KEY",
    ] {
        assert_eq!(
            names.iter().filter(|found| **found == name).count(),
            1,
            "{name} in {found:?}"
        );
    }
    assert!(!found.iter().any(|problem| problem.contains("schl")), "{found:?}");
}

#[test]
fn two_listeners_cannot_share_a_port() {
    let found = problems(&[("DASHBOARD_PORT", "3007")]);
    assert!(
        found.len() == 1 && found[0].starts_with("DASHBOARD_ADMIN_PORT"),
        "{found:?}"
    );
}

#[test]
fn each_default_is_the_documented_one() {
    let documented = default_settings().unwrap();
    let mut compared = 0;
    for setting in Environment::settings_of(Config::read) {
        if let Presence::Default(default) = &setting.presence
            && let Some(Some(documented)) = documented.get(setting.name)
        {
            assert_eq!(default, documented, "{}", setting.name);
            compared += 1;
        }
    }
    assert!(compared > 7, "only {compared} settings were compared");
}

#[tokio::test]
async fn settings_are_checked_and_shown_without_starting_anything() {
    let directory = TempDir::new().unwrap();
    let check = async |address: &str| {
        let mut command = command(&directory);
        command.args(["config", "check"]);
        command.envs([
            ("DASHBOARD_BIND_ADDRESS", address),
            ("API_KEY", "a-key-of-the-api"),
        ]);
        command.output().await.unwrap()
    };
    let good = check("127.0.0.1").await;
    assert!(good.status.success(), "{}", transcript(&good));
    let shown = String::from_utf8_lossy(&good.stdout).into_owned();
    for line in [
        "DASHBOARD_PORT=3003",
        "API_KEY=***",
        "ORCHESTRATOR_URL=http://localhost:3002",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} in {shown}");
    }
    let has_pages = std::path::Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../dashboard/dist/index.html"
    ))
    .exists();
    let hint = String::from_utf8_lossy(&good.stderr).contains("npm ci && npm run build");
    assert_eq!(hint, !has_pages, "{}", transcript(&good));

    let bad = check("0.0.0.0").await;
    assert_eq!(bad.status.code(), Some(64), "{}", transcript(&bad));
    assert!(
        transcript(&bad).contains("set DASHBOARD_PASSWORD"),
        "{}",
        transcript(&bad)
    );
}

#[tokio::test]
async fn a_password_is_hashed_for_the_settings() {
    let directory = TempDir::new().unwrap();
    let hash = async |password: &str| {
        let mut child = command(&directory)
            .arg("hash-password")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(password.as_bytes())
            .await
            .unwrap();
        ended(child).await
    };
    let output = hash(&format!("{PASSWORD}\n")).await;
    assert!(output.status.success(), "{}", transcript(&output));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(!printed.contains(PASSWORD));
    let environment = Environment::from_pairs([("DASHBOARD_PASSWORD_HASH", printed.as_str())]);
    let config = environment.build(Config::read).unwrap().config;
    assert!(matches!(config.login.unwrap().password, Password::Hash(_)));

    let short = hash("hunter2\n").await;
    assert_eq!(short.status.code(), Some(1), "{}", transcript(&short));
    assert!(!transcript(&short).contains("hunter2"), "{}", transcript(&short));
}

#[tokio::test]
async fn it_answers_once_it_is_ready_and_stops_in_order_on_a_signal() {
    for (signal_sent, settings) in [
        (Signal::TERM, vec![]),
        (
            Signal::INT,
            vec![("DASHBOARD_PASSWORD", PASSWORD), ("API_KEY", "a-key-of-the-api")],
        ),
    ] {
        let directory = TempDir::new().unwrap();
        let (child, url) = started(&directory, &settings).await;
        let answer = reqwest::get(format!("{url}/session")).await.unwrap();
        assert!(answer.status().is_success());
        signal(&child, signal_sent);
        let output = ended(child).await;
        assert!(output.status.success(), "{}", transcript(&output));
        for secret in [PASSWORD, "a-key-of-the-api"] {
            assert!(!transcript(&output).contains(secret), "{}", transcript(&output));
        }
    }
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_setting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let directory = TempDir::new().unwrap();
    let mut command = command(&directory);
    let output = command
        .env("DASHBOARD_PORT", port)
        .env("DASHBOARD_ADMIN_PORT", "0")
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        transcript(&output).contains("DASHBOARD_BIND_ADDRESS and DASHBOARD_PORT"),
        "{}",
        transcript(&output)
    );
}

#[tokio::test]
async fn a_subcommand_asks_whether_it_answers() {
    let directory = TempDir::new().unwrap();
    let port = free_port().unwrap().to_string();
    let healthy = async |port: &str| {
        let mut command = command(&directory);
        command.arg("healthcheck").env("DASHBOARD_ADMIN_PORT", port);
        command.output().await.unwrap()
    };
    assert_eq!(healthy(&port).await.status.code(), Some(1));
    let disabled = healthy("0").await;
    assert!(
        transcript(&disabled).contains("DASHBOARD_ADMIN_PORT is 0"),
        "{}",
        transcript(&disabled)
    );
    let (_child, _) = started(&directory, &[("DASHBOARD_ADMIN_PORT", &port)]).await;
    let output = healthy(&port).await;
    assert!(output.status.success(), "{}", transcript(&output));
}

#[tokio::test]
async fn an_unknown_argument_is_a_usage_error() {
    let directory = TempDir::new().unwrap();
    let output = command(&directory).arg("--dry-run").output().await.unwrap();
    assert_eq!(output.status.code(), Some(64));
}
