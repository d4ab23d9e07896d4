//! Programs that the settings name and that do not exist: the operator's to fix, before anything is started.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use whim_runtime::Runtime as _;
use whim_testkit::worker_fixture::WorkerFixture;

use super::world::{open, spec};

#[tokio::test]
async fn a_missing_program_is_reported_with_its_setting_before_anything_is_created() {
    for setting in ["WORKER_BIN", "RALPH_BIN", "CLAUDE_BIN"] {
        let fixture = WorkerFixture::with_script("");
        let runtime = open(&fixture, &[(setting, "/nope")]);

        let health = runtime.health().await.unwrap_err().to_string();

        assert!(
            health.contains(&format!("{setting} is /nope")) && health.contains(&format!("set {setting} to")),
            "{health}"
        );
        runtime.start(spec()).await.unwrap_err();
        assert_eq!(runtime.list().await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_name_that_is_not_on_path_and_a_file_that_is_not_executable_are_reported_as_well() {
    let fixture = WorkerFixture::with_script("");
    let plain = fixture.path().join("plain");
    fs::write(&plain, "no program").unwrap();
    for (setting, value) in [
        ("CLAUDE_BIN", "no-such-agent"),
        ("RALPH_BIN", plain.to_str().unwrap()),
    ] {
        let runtime = open(&fixture, &[(setting, value)]);
        let health = runtime.health().await.unwrap_err().to_string();
        assert!(health.contains(&format!("{setting} is {value}")), "{health}");
    }
}

#[tokio::test]
async fn a_program_that_was_installed_meanwhile_makes_the_runtime_healthy() {
    let fixture = WorkerFixture::with_script("");
    let ralph = fixture.path().join("ralph");
    let runtime = open(&fixture, &[("RALPH_BIN", ralph.to_str().unwrap())]);
    runtime.health().await.unwrap_err();

    fs::write(&ralph, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&ralph, fs::Permissions::from_mode(0o755)).unwrap();

    runtime.health().await.unwrap();
}
