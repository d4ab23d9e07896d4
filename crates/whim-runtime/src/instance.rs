//! The name of this orchestrator, and its lock on `WORKSPACES_DIR`.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use uuid::Uuid;

/// `WORKSPACES_DIR`, locked for the lifetime of this process.
#[derive(Debug)]
pub(crate) struct Instance {
    /// Stable across restarts.
    pub(crate) name: String,
    /// Absolute, because workers have other working directories.
    pub(crate) workspaces: PathBuf,
    /// The kernel releases the lock with the process.
    _lock: File,
}

impl Instance {
    /// Locks the directory, and creates it if it is missing.
    pub(crate) fn take(workspaces: &Path) -> anyhow::Result<Self> {
        let shown = workspaces.display();
        // Workers may run as other users and need to reach their subdirectories.
        DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(workspaces)
            .with_context(|| format!("creating WORKSPACES_DIR {shown}"))?;
        let workspaces = workspaces
            .canonicalize()
            .with_context(|| format!("resolving WORKSPACES_DIR {shown}"))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(workspaces.join("orchestrator.lock"))
            .with_context(|| format!("opening the lock of WORKSPACES_DIR {shown}"))?;
        match lock.try_lock() {
            Ok(()) => {
                record_owner(&lock).with_context(|| format!("writing the lock of WORKSPACES_DIR {shown}"))?
            }
            Err(TryLockError::WouldBlock) => bail!(
                "WORKSPACES_DIR {shown} is used by another orchestrator{}, or set another WORKSPACES_DIR",
                owner(lock).map_or_else(
                    || ": stop it".to_owned(),
                    |pid| format!(", process {pid}: stop it with `kill {pid}`")
                )
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking WORKSPACES_DIR {shown}"));
            }
        }
        let name = read_or_create_name(&workspaces.join("instance"))
            .context("reading the name of this orchestrator")?;
        Ok(Self {
            name,
            workspaces,
            _lock: lock,
        })
    }
}

/// Writes the process identifier into the lock file, for the message of another orchestrator.
fn record_owner(mut lock: &File) -> io::Result<()> {
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())
}

/// The process that holds the lock, if it has recorded itself.
fn owner(lock: File) -> Option<u32> {
    const MAX_BYTES: u64 = 16;
    let mut text = String::new();
    lock.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn read_or_create_name(path: &Path) -> io::Result<String> {
    const MAX_BYTES: u64 = 64;
    let stored = match File::open(path) {
        Ok(file) => {
            let mut text = String::new();
            file.take(MAX_BYTES).read_to_string(&mut text)?;
            text.trim().parse::<Uuid>().ok()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if let Some(name) = stored {
        return Ok(name.to_string());
    }
    let name = Uuid::now_v7().to_string();
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, &name)?;
    fs::rename(&unfinished, path)?;
    Ok(name)
}
