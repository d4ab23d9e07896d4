//! Who owns the workers of a directory of workspaces.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use uuid::Uuid;

/// The directory of workspaces, owned by this process as long as it lives.
#[derive(Debug)]
pub(crate) struct Instance {
    /// The same after every restart.
    pub(crate) name: String,
    /// Absolute: workers run in directories of their own.
    pub(crate) workspaces: PathBuf,
    /// Held for its lock, which the kernel releases with the process.
    _lock: File,
}

impl Instance {
    /// Takes the directory, and makes it when it is missing.
    pub(crate) fn take(workspaces: &Path) -> anyhow::Result<Self> {
        let shown = workspaces.display();
        // Other users pass through on the way to what is theirs.
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
            .write(true)
            .mode(0o600)
            .open(workspaces.join("orchestrator.lock"))
            .with_context(|| format!("opening the lock of WORKSPACES_DIR {shown}"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("WORKSPACES_DIR {shown} is used by another orchestrator: give each one of its own")
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking WORKSPACES_DIR {shown}"));
            }
        }
        let name = name_of(&workspaces.join("instance")).context("reading the name of this orchestrator")?;
        Ok(Self {
            name,
            workspaces,
            _lock: lock,
        })
    }
}

fn name_of(path: &Path) -> io::Result<String> {
    const MOST: u64 = 64;
    let known = match File::open(path) {
        Ok(file) => {
            let mut text = String::new();
            file.take(MOST).read_to_string(&mut text)?;
            text.trim().parse::<Uuid>().ok()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if let Some(name) = known {
        return Ok(name.to_string());
    }
    let name = Uuid::now_v7().to_string();
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, &name)?;
    fs::rename(&unfinished, path)?;
    Ok(name)
}
