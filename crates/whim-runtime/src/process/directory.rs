//! What the `process` runtime stores of an attempt, so that it survives a restart of the orchestrator.
//!
//! ```text
//! <worker id>/          written only by this program
//!   attempt.json        worker, item, epoch, and the uptime of the machine in which it began
//!   shim.lock           locked while the shim is alive
//!   shim.json           the process of the shim
//!   stop                exists once a stop was requested
//!   exit.json           how it ended; exists once none of its processes is alive
//!   worker.log          output of the worker
//!   home/ workspace/    of the worker; removed after it has ended
//!   credentials/        of the worker; removed when it has ended
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use whim_core::{LeaseEpoch, WorkItemId, WorkerId};
use whim_service::process::ProcessIdentity;
use whim_service::secret::ExposeSecret as _;

use super::host;
use super::removal::remove_tree;
use crate::exit::Exit;
use crate::worker_spec::{Credential, WorkerSpec};

/// Records are small; a worker that runs as the same user may have replaced them.
const MAX_RECORD_BYTES: u64 = 64 * 1024;

/// Identifies an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub(super) worker_id: WorkerId,
    pub(super) work_item_id: WorkItemId,
    pub(super) epoch: LeaseEpoch,
    pub(super) name: String,
    /// The uptime of the machine in which it began.
    pub(super) uptime_id: String,
}

/// A user and its primary group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) user_id: u32,
    pub(super) group_id: u32,
}

/// The directory of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AttemptDirectory {
    root: PathBuf,
}

impl AttemptDirectory {
    pub(super) fn of(workspaces: &Path, worker: WorkerId) -> Self {
        Self::at(workspaces.join(worker.to_string()))
    }

    pub(super) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn path(&self) -> &Path {
        &self.root
    }

    /// Whether it was removed. `false` when it cannot be read.
    pub(super) fn is_gone(&self) -> bool {
        self.root
            .metadata()
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    pub(super) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    pub(super) fn workspace(&self) -> PathBuf {
        self.root.join("workspace")
    }

    pub(super) fn credentials(&self) -> PathBuf {
        self.root.join("credentials")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("worker.log")
    }

    /// Creates the directory of a new attempt.
    ///
    /// # Errors
    /// It exists (no attempt is started twice), or it cannot be created; the caller removes what was created.
    pub(super) fn create(&self, spec: &WorkerSpec, owner: Option<Owner>) -> io::Result<()> {
        // Other users need to reach their subdirectories, and nothing else.
        DirBuilder::new().mode(0o711).create(&self.root)?;
        self.write_record(
            "attempt.json",
            &Record {
                worker_id: spec.worker_id,
                work_item_id: spec.work_item_id,
                epoch: spec.epoch,
                name: spec.name(),
                uptime_id: host::uptime_id()?,
            },
        )?;
        let own = |path: &Path| match owner {
            Some(Owner { user_id, group_id }) => chown(path, Some(user_id), Some(group_id)),
            None => Ok(()),
        };
        for directory in [self.home(), self.workspace(), self.credentials()] {
            DirBuilder::new().mode(0o700).create(&directory)?;
            own(&directory)?;
        }
        for Credential { file_name, secret } in &spec.credentials {
            let path = self.credentials().join(file_name);
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o400)
                .open(&path)?;
            file.write_all(secret.expose_secret().as_bytes())?;
            own(&path)?;
        }
        Ok(())
    }

    /// `None` when this is not the directory of an attempt.
    pub(super) fn record(&self) -> io::Result<Option<Record>> {
        self.read_record("attempt.json")
    }

    /// Locked by the shim while it is alive.
    pub(super) fn lock_file(&self) -> io::Result<File> {
        let path = self.root.join("shim.lock");
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)
    }

    pub(super) fn shim(&self) -> io::Result<Option<ProcessIdentity>> {
        self.read_record("shim.json")
    }

    pub(super) fn write_shim(&self, identity: ProcessIdentity) -> io::Result<()> {
        self.write_record("shim.json", &identity)
    }

    /// Recorded before the stop: it decides how the exit is reported.
    pub(super) fn request_stop(&self) -> io::Result<()> {
        File::create(self.root.join("stop")).map(drop)
    }

    pub(super) fn stop_requested(&self) -> bool {
        self.root.join("stop").exists()
    }

    pub(super) fn exit(&self) -> io::Result<Option<Exit>> {
        self.read_record("exit.json")
    }

    /// Records that none of its processes is alive, after removing its credentials.
    pub(super) fn write_exit(&self, exit: Exit) -> io::Result<()> {
        self.remove_credentials()?;
        self.write_record("exit.json", &exit)
    }

    pub(super) fn remove_credentials(&self) -> io::Result<()> {
        remove_tree(&self.credentials())
    }

    /// When the exit was recorded.
    pub(super) fn ended_at(&self) -> io::Result<SystemTime> {
        self.root.join("exit.json").metadata()?.modified()
    }

    /// Removes the directories of the worker, which may be large. Log and records stay.
    pub(super) fn remove_workspace(&self) -> io::Result<()> {
        remove_tree(&self.workspace())?;
        remove_tree(&self.home())
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        remove_tree(&self.root)
    }

    /// `None` when the file is missing or invalid. Records are written atomically, but the worker may have changed them.
    fn read_record<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        let path = self.root.join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut content = Vec::new();
        file.take(MAX_RECORD_BYTES).read_to_end(&mut content)?;
        match serde_json::from_slice(&content) {
            Ok(record) => Ok(Some(record)),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "ignored an unreadable record of an attempt");
                Ok(None)
            }
        }
    }

    fn write_record(&self, name: &str, record: &impl Serialize) -> io::Result<()> {
        let unfinished = self.root.join(format!("{name}.unfinished"));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        // Has to survive a crash of the machine.
        file.sync_all()?;
        fs::rename(&unfinished, self.root.join(name))
    }
}
