//! Reading the base branch, and clean checkouts of commits. Only the worker's own mirror is used, never the agent's files.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use whim_core::CommitHash;

use super::checkout;
use super::handle::Workspace;
use crate::git::{Git, GitError};

/// A file of the base branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseFile {
    Missing,
    /// A directory, a link or a submodule.
    NotAFile,
    Text(String),
}

/// The directories of a checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    pub directory: PathBuf,
    /// Beside it, for what does not belong into the project. Not created yet.
    pub state: PathBuf,
}

/// Removes a checkout and what belongs to it. What is left only takes up space.
pub async fn discard(checkout: &Checkout) {
    for directory in [&checkout.directory, &checkout.state] {
        match tokio::fs::remove_dir_all(directory).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, "a checkout could not be removed");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// Reads a file of a commit of the mirror. Invalid UTF-8 is replaced by U+FFFD.
pub(super) async fn read_file(
    git: &Git,
    mirror: &Path,
    commit: &CommitHash,
    path: &str,
) -> Result<BaseFile, GitError> {
    let entry = git
        .local(
            mirror,
            &[&"ls-tree", &"--end-of-options", &commit.as_str(), &"--", &path],
        )
        .await?;
    // `<mode> <type> <hash>\t<path>`
    let mut fields = entry.split_whitespace();
    match (fields.next(), fields.next(), fields.next()) {
        (Some("100644" | "100755"), Some("blob"), Some(hash)) => {
            let text = git.local(mirror, &[&"cat-file", &"blob", &hash]).await?;
            Ok(BaseFile::Text(text))
        }
        (None, _, _) => Ok(BaseFile::Missing),
        _ => Ok(BaseFile::NotAFile),
    }
}

impl Workspace {
    /// Reads a file of the base at the start of the attempt. Invalid UTF-8 is replaced by U+FFFD.
    ///
    /// # Errors
    /// Git failed, or the file is larger than the limit on git's output.
    pub async fn read_base_file(&self, path: &str) -> Result<BaseFile, GitError> {
        read_file(&self.git, &self.layout.mirror, &self.base_at_start, path).await
    }

    /// The commit of the base that the pushed branch builds on. Without the change, the project is in this state.
    ///
    /// # Errors
    /// Git failed.
    pub async fn merge_base(&self) -> Result<CommitHash, GitError> {
        let Some(head) = &self.remote_head else {
            return Ok(self.base_head.clone());
        };
        let (base, head) = (self.base_head.as_str(), head.as_str());
        let arguments: [&dyn AsRef<OsStr>; 4] = [&"merge-base", &"--end-of-options", &base, &head];
        let found = match self.git.local(&self.layout.mirror, &arguments).await {
            // Unrelated histories.
            Err(GitError::Failed {
                exit_code: Some(1), ..
            }) => String::new(),
            found => found?,
        };
        Ok(CommitHash::parse(found.trim()).unwrap_or_else(|_| self.base_head.clone()))
    }

    /// Creates a clean checkout of a commit, because uncommitted changes are not delivered.
    ///
    /// # Errors
    /// Git failed, or there is a checkout of this name.
    pub async fn check_out_for_checks(&self, commit: &CommitHash, name: &str) -> Result<Checkout, GitError> {
        let checkout = self.checkout_paths(name);
        checkout::check_out_commit(&self.git, &self.layout, commit, &checkout.directory).await?;
        Ok(checkout)
    }

    /// Replaces files of a checkout by those of a commit. Returns the ones that the commit has.
    ///
    /// # Errors
    /// Git failed.
    pub async fn take_over(
        &self,
        checkout: &Checkout,
        commit: &CommitHash,
        files: &[String],
    ) -> Result<Vec<String>, GitError> {
        let mut taken = Vec::new();
        for file in files {
            let revision = format!("{commit}:{file}");
            if !self
                .git
                .succeeds(&self.layout.mirror, &[&"cat-file", &"-e", &revision])
                .await
                .unwrap_or(false)
            {
                continue;
            }
            // A pattern would match other files.
            let literal = format!(":(literal){file}");
            self.git
                .local(
                    &checkout.directory,
                    &[&"checkout", &"--quiet", &commit.as_str(), &"--", &literal],
                )
                .await?;
            taken.push(file.clone());
        }
        Ok(taken)
    }

    /// The workspace itself, as a place to prepare before the agent starts.
    pub fn as_checkout(&self) -> Checkout {
        Checkout {
            directory: self.layout.repository.clone(),
            ..self.checkout_paths("workspace")
        }
    }

    fn checkout_paths(&self, name: &str) -> Checkout {
        Checkout {
            directory: self.layout.checks.join(name),
            state: self.layout.checks.join(format!("{name}-state")),
        }
    }
}
