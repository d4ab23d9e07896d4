//! The directory of one attempt: everything that the `process` runtime knows of it, so that a restarted orchestrator
//! knows as much.
//!
//! ```text
//! <worker id>/          only this program writes here
//!   attempt.json        whose attempt it is
//!   shim.lock         locked while its shim lives
//!   shim.json         which process the shim is
//!   stop                exists once it was told to stop
//!   exit.json           how it ended: exists once nothing of it lives
//!   worker.log          what the worker printed
//!   home/ workspace/    the worker's
//!   credentials/        the worker's; gone when it has ended
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

use crate::exit::Exit;
use crate::worker_spec::{Credential, WorkerSpec};

/// Our own files are small; a worker that runs as the same user could have put anything in their place.
const MAX_RECORD_BYTES: u64 = 64 * 1024;

/// Whose attempt it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub(super) worker_id: WorkerId,
    pub(super) work_item_id: WorkItemId,
    pub(super) epoch: LeaseEpoch,
    pub(super) name: String,
}

/// A user and its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// The user's number.
    pub(super) user_id: u32,
    /// The number of its group.
    pub(super) group_id: u32,
}

/// Where everything of one attempt is.
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

    /// Whether somebody removed it. What cannot be looked at is not gone.
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

    /// Makes the directory of a new attempt.
    ///
    /// # Errors
    /// It exists: no attempt is started twice. Or it cannot be made; then what there is of it is the caller's to remove.
    pub(super) fn create(&self, spec: &WorkerSpec, owner: Option<Owner>) -> io::Result<()> {
        // Other users pass through on the way to what is theirs, and see nothing else.
        DirBuilder::new().mode(0o711).create(&self.root)?;
        self.write_record(
            "attempt.json",
            &Record {
                worker_id: spec.worker_id,
                work_item_id: spec.work_item_id,
                epoch: spec.epoch,
                name: spec.name(),
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

    /// Whose attempt it is; `None` when this is not the directory of one.
    pub(super) fn record(&self) -> io::Result<Option<Record>> {
        self.read_record("attempt.json")
    }

    /// The lock that a shim holds as long as it lives.
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

    /// Records that it is to stop, before anything is done about it: this decides how its end is told.
    pub(super) fn request_stop(&self) -> io::Result<()> {
        File::create(self.root.join("stop")).map(drop)
    }

    pub(super) fn stop_requested(&self) -> bool {
        self.root.join("stop").exists()
    }

    pub(super) fn exit(&self) -> io::Result<Option<Exit>> {
        self.read_record("exit.json")
    }

    /// Writes down that nothing of it lives, after its credentials were removed.
    pub(super) fn write_exit(&self, exit: Exit) -> io::Result<()> {
        self.remove_credentials()?;
        self.write_record("exit.json", &exit)
    }

    pub(super) fn remove_credentials(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.credentials()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// When its end was written down.
    pub(super) fn ended_at(&self) -> io::Result<SystemTime> {
        self.root.join("exit.json").metadata()?.modified()
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.root)
    }

    /// `None` when the file is missing or is not what this program writes: half a file cannot be, because files appear
    /// by renaming, but the worker may have touched it.
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
                tracing::warn!(path = %path.display(), %error, "a record of an attempt is unreadable and passed over");
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
        // What is written here decides after a crash.
        file.sync_all()?;
        fs::rename(&unfinished, self.root.join(name))
    }
}
