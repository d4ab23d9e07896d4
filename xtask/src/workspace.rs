//! The workspace and its files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// The root of the cargo workspace.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
}

/// A text file of the project.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Relative to the root, with slashes.
    pub path: String,
    pub text: String,
}

impl Workspace {
    /// The workspace that this program was built in.
    ///
    /// # Errors
    /// It has been moved.
    pub fn find() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("finding the root of the workspace")?;
        ensure!(
            root.join("Cargo.lock").exists(),
            "{} is not a cargo workspace",
            root.display()
        );
        Ok(Self {
            root: root.to_owned(),
        })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every text file that is tracked by git or not ignored.
    ///
    /// # Errors
    /// Git is missing, or a file cannot be read.
    pub fn sources(&self) -> anyhow::Result<Vec<SourceFile>> {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()
            .context("running git ls-files")?;
        ensure!(
            listed.status.success(),
            "git ls-files failed: {}",
            String::from_utf8_lossy(&listed.stderr)
        );
        let listed = String::from_utf8(listed.stdout).context("reading the names of the files")?;
        let mut files = Vec::new();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            let absolute = self.root.join(path);
            // Tracked, but removed or replaced by a directory.
            if !absolute.is_file() {
                continue;
            }
            let bytes = fs::read(&absolute).with_context(|| format!("reading {path}"))?;
            // Other files are binary.
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(SourceFile {
                    path: path.to_owned(),
                    text,
                });
            }
        }
        files.sort_by(|first, second| first.path.cmp(&second.path));
        Ok(files)
    }
}
