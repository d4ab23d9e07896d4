//! The program: its settings, command line, signals and exit codes.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Output, Stdio};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use whim_gateway::config::Config;
use whim_service::environment::{Environment, Presence};
use whim_testkit::documents::default_settings;
use whim_testkit::free_port;
use whim_testkit::wait::wait_until;

use crate::world::TIMEOUT;

const SECRETS: [(&str, &str); 3] = [
    ("GATEWAY_KEY", "canary-of-the-gateway-key"),
    ("GITHUB_TOKEN", "canary-of-the-github-token"),
    ("ANTHROPIC_API_KEY", "canary-of-the-model-key"),
];

fn command(directory: &TempDir) -> Command {
    command_of(Path::new(env!("CARGO_BIN_EXE_whim-gateway")), directory)
}

fn command_of(program: &Path, directory: &TempDir) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", directory.path())
        .envs(SECRETS)
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

/// The problems with these settings and the secrets.
fn problems(settings: &[(&str, &str)]) -> Vec<String> {
    let pairs = SECRETS.iter().chain(settings).copied();
    match Environment::from_pairs(pairs).build(Config::read) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

/// Starts the program and returns it with its URL.
async fn started(directory: &TempDir, settings: &[(&str, &str)]) -> (Child, String) {
    started_by(command(directory), directory, settings).await
}

async fn started_by(mut command: Command, directory: &TempDir, settings: &[(&str, &str)]) -> (Child, String) {
    whim_service::telemetry::install_crypto();
    let ready_file = directory.path().join("ready.json");
    let child = command
        .envs([("GATEWAY_PORT", "0"), ("GATEWAY_ADMIN_PORT", "0")])
        .envs(settings.iter().copied())
        .arg("--ready-file")
        .arg(&ready_file)
        .spawn()
        .unwrap();
    let ready = wait_until("the ready file", TIMEOUT, async || {
        fs::read_to_string(&ready_file).map_err(|error| error.to_string())
    })
    .await
    .unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    (child, ready["url"].as_str().unwrap().to_owned())
}

async fn ended(child: Child) -> Output {
    tokio::time::timeout(TIMEOUT, child.wait_with_output())
        .await
        .expect("the program does not end")
        .unwrap()
}

// docs/attacks.md, row 7.
#[tokio::test]
async fn other_processes_of_its_user_cannot_read_its_environment() {
    // Root reads everything.
    let user = if geteuid().is_root() {
        65_534
    } else {
        geteuid().as_raw()
    };
    let directory = TempDir::new().unwrap();
    // Where that user can run it.
    let program = directory.path().join("whim-gateway");
    fs::copy(env!("CARGO_BIN_EXE_whim-gateway"), &program).unwrap();
    chown(directory.path(), Some(user), None).unwrap();
    let mut gateway = command_of(&program, &directory);
    gateway.uid(user);
    let (child, _) = started_by(gateway, &directory, &[]).await;

    let read = async |file: &str| {
        let path = format!("/proc/{}/{file}", child.id().unwrap());
        let output = Command::new("cat").arg(path).uid(user).output();
        output.await.unwrap()
    };
    // Others see the process.
    assert!(read("cmdline").await.status.success());
    let environment = read("environ").await;
    assert!(!environment.status.success());
    assert!(environment.stdout.is_empty());
}

#[test]
fn wrong_settings_are_all_named_at_once() {
    assert_eq!(problems(&[]), [""; 0]);
    let wrong = [
        ("GATEWAY_BIND_ADDRESS", "everywhere"),
        ("GATEWAY_PORT", "70000"),
        ("GATEWAY_KEY", "schl\u{fc}ssel"),
        ("GATEWAY_MAX_PUSH_MEGABYTES", "0"),
        ("GATEWAY_MODELS", "cl*de"),
        ("GATEWAY_MODEL_REQUESTS_PER_MINUTE", "0"),
        ("GATEWAY_TOKEN_CACHE_SECONDS", "soon"),
        ("EGRESS", "closed"),
        ("EGRESS_ALLOW", "npm,10.0.0.1"),
        ("EGRESS_PRIVATE_NETWORKS", "10.0.0.0/99"),
        ("GITHUB_API_URL", "ftp://localhost"),
        ("ANTHROPIC_API_KEY", ""),
    ];
    let found = problems(&wrong);
    for (name, _) in wrong {
        let count = found
            .iter()
            .filter(|problem| problem.split(' ').next() == Some(name))
            .count();
        assert_eq!(count, 1, "{name} in {found:?}");
    }
    assert!(!found.iter().any(|problem| problem.contains("schl")), "{found:?}");
}

#[test]
fn two_listeners_cannot_share_a_port() {
    let found = problems(&[("GATEWAY_PORT", "3009")]);
    assert!(
        found.len() == 1 && found[0].starts_with("GATEWAY_ADMIN_PORT"),
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
    assert!(compared > 8, "only {compared} settings were compared");
}

#[tokio::test]
async fn settings_are_checked_and_shown_without_starting_anything() {
    let directory = TempDir::new().unwrap();
    let check = async |allow: &str| {
        let mut command = command(&directory);
        command.args(["config", "check"]).env("EGRESS_ALLOW", allow);
        command.output().await.unwrap()
    };
    let good = check("pypi, *.example.org:8443").await;
    assert!(good.status.success(), "{}", transcript(&good));
    for line in [
        "GATEWAY_PORT=3008",
        "GITHUB_TOKEN=***",
        "EGRESS_ALLOW=pypi.org,files.pythonhosted.org,*.example.org:8443",
    ] {
        assert!(
            transcript(&good).lines().any(|shown| shown == line),
            "{line}: {}",
            transcript(&good)
        );
    }
    let bad = check("pipy").await;
    assert_eq!(bad.status.code(), Some(64), "{}", transcript(&bad));
    for (_, secret) in SECRETS {
        assert!(!transcript(&good).contains(secret) && !transcript(&bad).contains(secret));
    }
}

#[tokio::test]
async fn it_answers_once_it_is_ready_and_stops_in_order_on_a_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let directory = TempDir::new().unwrap();
        let (child, url) = started(&directory, &[("LOG_LEVEL", "debug")]).await;
        let answer = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = answer.get(format!("{url}/anthropic")).send().await.unwrap();
        assert!(answer.status().is_success());
        let pid = i32::try_from(child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
        let output = ended(child).await;
        assert!(output.status.success(), "{}", transcript(&output));
        for (_, secret) in SECRETS {
            assert!(!transcript(&output).contains(secret), "{}", transcript(&output));
        }
    }
}

#[tokio::test]
async fn a_subcommand_asks_whether_it_answers() {
    let directory = TempDir::new().unwrap();
    let port = free_port().unwrap().to_string();
    let healthy = async |port: &str| {
        let mut command = command(&directory);
        command.arg("healthcheck").env("GATEWAY_ADMIN_PORT", port);
        command.output().await.unwrap()
    };
    assert_eq!(healthy(&port).await.status.code(), Some(1));
    let disabled = healthy("0").await;
    assert!(
        transcript(&disabled).contains("GATEWAY_ADMIN_PORT is 0"),
        "{}",
        transcript(&disabled)
    );
    let (_child, _) = started(&directory, &[("GATEWAY_ADMIN_PORT", &port)]).await;
    let output = healthy(&port).await;
    assert!(output.status.success(), "{}", transcript(&output));
}

#[tokio::test]
async fn an_unknown_argument_is_a_usage_error() {
    let directory = TempDir::new().unwrap();
    let output = command(&directory).arg("--dry-run").output().await.unwrap();
    assert_eq!(output.status.code(), Some(64));
}
