use std::process::{Command, Output};

use whim_service::environment::{Environment, Presence};
use whim_testkit::documents::default_settings;
use whim_worker::config::Config;

fn whim_worker(arguments: &[&str], environment: &[(&str, &str)]) -> std::io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_whim-worker"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
}

#[test]
fn help_lists_the_settings_and_the_exit_codes() -> anyhow::Result<()> {
    let output = whim_worker(&["--help"], &[])?;
    let text = String::from_utf8(output.stdout)?;
    assert_eq!(output.status.code(), Some(0));
    for part in [
        "WORKER_ID: the UUID of this worker [required]",
        "HEARTBEAT_INTERVAL_SECONDS",
        "   4  the lease was lost",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    Ok(())
}

#[test]
fn each_default_is_the_documented_one() -> anyhow::Result<()> {
    let documented = default_settings()?;
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
    Ok(())
}

#[test]
fn the_version_is_printed() -> anyhow::Result<()> {
    let output = whim_worker(&["--version"], &[])?;
    assert_eq!(
        String::from_utf8(output.stdout)?,
        format!("whim-worker {}\n", env!("CARGO_PKG_VERSION"))
    );
    Ok(())
}

#[test]
fn all_invalid_settings_are_reported_together() -> anyhow::Result<()> {
    let settings = [
        ("WORKER_ID", "7"),
        ("ORCHESTRATOR_URL", "localhost"),
        ("CREDENTIALS_DIR", "/nowhere"),
        ("HEARTBEAT_INTERVAL_SECONDS", "soon"),
    ];
    let output = whim_worker(&[], &settings)?;
    assert_eq!(output.status.code(), Some(64));
    insta::assert_snapshot!(String::from_utf8(output.stderr)?, @r#"
    whim-worker cannot start:
    WORKER_ID is "7": expected the UUID of this worker
    ORCHESTRATOR_URL is "localhost": expected a URL that starts with http:// or https://
    WORKSPACE_DIR is not set: expected the directory of this attempt
    HEARTBEAT_INTERVAL_SECONDS is "soon": expected a number of seconds from 0.001 to 3600
    "#);
    Ok(())
}

#[test]
fn an_invalid_command_line_is_refused() -> anyhow::Result<()> {
    assert_eq!(whim_worker(&["--fast"], &[])?.status.code(), Some(64));
    Ok(())
}

#[test]
fn a_missing_secret_is_named() -> anyhow::Result<()> {
    let settings = [
        ("WORKER_ID", "018f0000-0000-7000-8000-000000000000"),
        ("ORCHESTRATOR_URL", "http://127.0.0.1:9"),
        ("CREDENTIALS_DIR", "/nowhere"),
        ("WORKSPACE_DIR", "/nowhere"),
    ];
    let output = whim_worker(&[], &settings)?;
    let log = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        log.contains("the secret /nowhere/worker-token is missing"),
        "{log}"
    );
    Ok(())
}
