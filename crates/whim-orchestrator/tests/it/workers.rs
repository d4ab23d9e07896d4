//! Worker programs of the tests: little scripts, and what can be seen of their processes.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set its world up has failed"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use whim_core::WorkerId;
use whim_orchestrator::config::{Config, RuntimeConfig};
use whim_service::environment::Environment;
use whim_service::process::ProcessIdentity;
use whim_testkit::wait::wait_until;

use crate::app::PATIENCE;

/// This program, for the keepers that tests start: `/proc/self/exe` is the test itself.
pub(crate) fn orchestrator_program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_whim-orchestrator"))
}

/// A directory with a worker program and the workspaces.
#[derive(Debug)]
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    /// Its worker program is a shell script of these lines. `$notes` is the directory in which it may leave notes.
    pub(crate) fn with_worker(lines: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Workers may run as other users.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let notes = directory.path().join("notes");
        fs::create_dir(&notes).unwrap();
        fs::set_permissions(&notes, fs::Permissions::from_mode(0o777)).unwrap();
        let place = Self { directory };
        let script = format!("#!/bin/sh\nnotes='{}'\n{lines}\n", notes.display());
        fs::write(place.worker(), script).unwrap();
        fs::set_permissions(place.worker(), fs::Permissions::from_mode(0o755)).unwrap();
        place
    }

    pub(crate) fn worker(&self) -> PathBuf {
        self.directory.path().join("worker")
    }

    pub(crate) fn workspaces(&self) -> PathBuf {
        self.directory.path().join("workspaces")
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The directory of one attempt.
    pub(crate) fn attempt(&self, worker: WorkerId) -> PathBuf {
        self.workspaces().join(worker.to_string())
    }

    /// What the worker notify_changed down under this name, once it has.
    pub(crate) async fn note(&self, name: &str) -> String {
        let path = self.directory.path().join("notes").join(name);
        wait_until(
            &format!("the worker's note {name}"),
            PATIENCE,
            async || match fs::read_to_string(&path) {
                Ok(text) if text.ends_with('\n') => Ok(text.trim_end().to_owned()),
                other => Err(format!("{other:?}")),
            },
        )
        .await
        .unwrap()
    }

    /// The process whose number the worker notify_changed down under this name.
    pub(crate) async fn process(&self, name: &str) -> ProcessIdentity {
        let pid = self.note(name).await.parse().unwrap();
        ProcessIdentity::of(pid).unwrap().unwrap()
    }

    /// The settings of a runtime here.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        vec![
            ("WORKSPACES_DIR".to_owned(), text(self.workspaces())),
            ("WORKER_BIN".to_owned(), text(self.worker())),
            ("STOP_GRACE_SECONDS".to_owned(), "0.5".to_owned()),
            ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ]
    }

    /// The configuration of a runtime here, with more settings.
    pub(crate) fn runtime_config(&self, more: &[(&str, &str)]) -> RuntimeConfig {
        let own = self.settings();
        let settings: Vec<(&str, &str)> = own
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| !more.iter().any(|(other, _)| other == name))
            .chain(more.iter().copied())
            .collect();
        config_of(&settings)
    }
}

fn config_of(settings: &[(&str, &str)]) -> RuntimeConfig {
    let needed = [
        ("GITHUB_TOKEN", "a-github-token"),
        ("ANTHROPIC_API_KEY", "an-anthropic-key"),
    ];
    let pairs = needed.into_iter().chain(settings.iter().copied());
    Config::from_environment(Environment::from_pairs(pairs))
        .unwrap()
        .config
        .runtime
}

/// Waits until a process is gone.
pub(crate) async fn wait_until_gone(what: &str, process: ProcessIdentity) {
    wait_until(&format!("{what} to be gone"), PATIENCE, async || {
        match process.is_alive() {
            Ok(false) => Ok(()),
            other => Err(format!("pid {}: alive: {other:?}", process.pid)),
        }
    })
    .await
    .unwrap();
}
