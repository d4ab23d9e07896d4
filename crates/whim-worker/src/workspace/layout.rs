//! The directories of an attempt.

use std::fs::{DirBuilder, create_dir_all};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The workspace.
    pub repository: PathBuf,
    /// Clean checkouts for the checks, each with its packages and build results.
    pub checks: PathBuf,
    /// Contains the hook server's socket. Created by the server.
    pub hook: PathBuf,
    /// Not accessible to other users, and unknown to the agent.
    pub private: PathBuf,
    /// The worker's own clone.
    pub mirror: PathBuf,
    /// Gives access to the objects of the workspace.
    pub window: PathBuf,
}

impl Layout {
    /// Creates the directories below `root`, which must exist.
    ///
    /// # Errors
    /// A directory cannot be created.
    pub fn create<'a>(root: &Path, others: impl Iterator<Item = &'a Path>) -> io::Result<Self> {
        // Git resolves relative paths against its own working directory.
        let root = root.canonicalize()?;
        let private = root.join("private");
        DirBuilder::new().recursive(true).mode(0o700).create(&private)?;
        for directory in others {
            create_dir_all(directory)?;
        }
        Ok(Self {
            repository: root.join("repository"),
            checks: root.join("checks"),
            hook: root.join("hook"),
            mirror: private.join("mirror.git"),
            window: private.join("window.git"),
            private,
        })
    }
}
