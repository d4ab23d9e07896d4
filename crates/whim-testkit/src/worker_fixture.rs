//! A worker program for tests of the `process` runtime: a shell script, with a directory for what it writes.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set its world up has failed"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use whim_core::WorkerId;

use crate::wait::wait_until;

const NOTE_TIMEOUT: Duration = Duration::from_secs(30);

/// A directory with a worker program, its notes, and the workspaces.
#[derive(Debug)]
pub struct WorkerFixture {
    directory: tempfile::TempDir,
}

impl WorkerFixture {
    /// The worker program is a shell script of these lines. `$notes` is a directory for files that the test reads.
    ///
    /// # Panics
    /// The files cannot be written.
    pub fn with_script(lines: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Workers may run as other users.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let notes = directory.path().join("notes");
        fs::create_dir(&notes).unwrap();
        fs::set_permissions(&notes, fs::Permissions::from_mode(0o777)).unwrap();
        let fixture = Self { directory };
        let script = format!("#!/bin/sh\nnotes='{}'\n{lines}\n", notes.display());
        fs::write(fixture.worker(), script).unwrap();
        fs::set_permissions(fixture.worker(), fs::Permissions::from_mode(0o755)).unwrap();
        fixture
    }

    pub fn worker(&self) -> PathBuf {
        self.directory.path().join("worker")
    }

    pub fn workspaces(&self) -> PathBuf {
        self.directory.path().join("workspaces")
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The directory of one attempt.
    pub fn attempt(&self, worker: WorkerId) -> PathBuf {
        self.workspaces().join(worker.to_string())
    }

    /// Waits until the worker has written a whole line to `$notes/<name>`, and returns it.
    ///
    /// # Panics
    /// It has not in time.
    pub async fn note(&self, name: &str) -> String {
        let path = self.directory.path().join("notes").join(name);
        wait_until(
            &format!("the worker's note {name}"),
            NOTE_TIMEOUT,
            async || match fs::read_to_string(&path) {
                Ok(text) if text.ends_with('\n') => Ok(text.trim_end().to_owned()),
                other => Err(format!("{other:?}")),
            },
        )
        .await
        .unwrap()
    }

    /// The process identifier that the worker wrote to `$notes/<name>`.
    ///
    /// # Panics
    /// It wrote something else, or nothing in time.
    pub async fn pid(&self, name: &str) -> u32 {
        self.note(name).await.parse().unwrap()
    }

    /// Settings of a `process` runtime with this worker.
    pub fn settings(&self) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        vec![
            ("WORKSPACES_DIR".to_owned(), text(self.workspaces())),
            ("WORKER_BIN".to_owned(), text(self.worker())),
            ("STOP_GRACE_SECONDS".to_owned(), "0.5".to_owned()),
            ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ]
    }
}
