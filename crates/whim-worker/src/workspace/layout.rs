use std::fs::{DirBuilder, create_dir_all};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Where everything of an attempt is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The workspace.
    pub repository: PathBuf,
    /// A clean checkout of what was pushed, for the tests.
    pub check: PathBuf,
    /// Where the agent's hook asks before an edit; made when there is somebody to answer.
    pub desk: PathBuf,
    /// What the agent is not told about.
    pub private: PathBuf,
    /// The worker's own clone.
    pub mirror: PathBuf,
    /// Looks at the objects of the workspace.
    pub window: PathBuf,
}

impl Layout {
    /// Makes the directories of an attempt below `root`, which exists.
    ///
    /// # Errors
    /// They cannot be made.
    pub fn make<'a>(root: &Path, others: impl Iterator<Item = &'a Path>) -> io::Result<Self> {
        // Git resolves relative paths against another directory than this process does.
        let root = root.canonicalize()?;
        let private = root.join("private");
        DirBuilder::new().recursive(true).mode(0o700).create(&private)?;
        for directory in others {
            create_dir_all(directory)?;
        }
        Ok(Self {
            repository: root.join("repository"),
            check: root.join("check"),
            desk: root.join("desk"),
            mirror: private.join("mirror.git"),
            window: private.join("window.git"),
            private,
        })
    }
}
