//! Files of the project that the agent left uncommitted.
//!
//! They are found with a git directory of the worker's own, so that no configuration, hook or attribute of the agent names a
//! program. Its index keeps the state of the files, so that only changed ones are read again.

use std::collections::HashSet;
use std::fs;
use std::io;

use ralph_contract::files::is_cache;
use whim_core::CommitHash;

use super::files;
use super::handle::Workspace;
use super::import::{ImportError, read_head};
use crate::git::GitError;

/// Files that are named at most.
pub(crate) const MAX_NAMED: usize = 20;
const MAX_EXCLUDE_BYTES: usize = 64 * 1024;
/// Git LFS replaces the content of such files, which git cannot compare without it.
const LFS_FILTER: &str = "lfs";

/// A file of the project that differs from the checked-out commit, or is not in it.
struct Uncommitted {
    path: String,
    is_tracked: bool,
}

impl Workspace {
    /// Remembers the state of the files of a fresh checkout. To be called before the agent runs.
    pub(super) fn remember_files(&self) -> io::Result<()> {
        let index = self.layout.repository.join(".git/index");
        match fs::copy(index, self.layout.window.join("index")) {
            // A checkout without files.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            copied => copied.map(drop),
        }
    }

    /// At most [`MAX_NAMED`] files of the project that differ from the checked-out commit or are not in it, without caches of
    /// common tools.
    ///
    /// # Errors
    /// The workspace's `.git` or its commits are invalid.
    pub async fn left_behind(&self) -> Result<Vec<String>, ImportError> {
        let mut left = self.uncommitted().await?;
        left.retain(|entry| entry.is_tracked || !is_accepted(&self.accepted_untracked, &entry.path));
        let mut left: Vec<String> = left.into_iter().map(|entry| entry.path).collect();
        left.truncate(MAX_NAMED);
        Ok(left)
    }

    /// What is untracked now was created by the setup of the policy, and is not expected in commits.
    ///
    /// # Errors
    /// See [`Self::left_behind`].
    pub async fn accept_untracked(&mut self) -> Result<(), ImportError> {
        let entries = self.uncommitted().await?.into_iter();
        let untracked = entries.filter(|entry| !entry.is_tracked);
        self.accepted_untracked = untracked.map(|entry| entry.path).collect();
        Ok(())
    }

    async fn uncommitted(&self) -> Result<Vec<Uncommitted>, ImportError> {
        let head = read_head(&self.layout.repository).map_err(ImportError::Head)?;
        let Some(head) = head else {
            return Ok(Vec::new());
        };
        self.write_exclude().map_err(ImportError::Exclude)?;
        let entries = match self.status(&head, "--untracked-files=all").await {
            // Directories in place of their files.
            Err(GitError::Output { .. }) => self.status(&head, "--untracked-files=normal").await?,
            entries => entries?,
        };
        let mut left: Vec<Uncommitted> = entries
            .split('\0')
            .filter_map(|entry| {
                let (status, path) = entry.split_at_checked(3)?;
                let is_tracked = status != "?? ";
                (is_tracked || !is_cache(path)).then(|| Uncommitted {
                    path: path.to_owned(),
                    is_tracked,
                })
            })
            .collect();
        if !left.is_empty() {
            self.remove_files_of_lfs(&mut left).await?;
        }
        Ok(left)
    }

    /// The agent may keep files out of commits without changing the project.
    fn write_exclude(&self) -> io::Result<()> {
        let agents = files::read(&self.layout.repository, ".git/info/exclude", MAX_EXCLUDE_BYTES)?;
        let patterns = agents.unwrap_or_default() + "\n" + &self.own.exclude_pattern();
        let info = self.layout.window.join("info");
        fs::create_dir_all(&info)?;
        fs::write(info.join("exclude"), patterns)
    }

    async fn status(&self, head: &CommitHash, untracked: &str) -> Result<String, GitError> {
        let (window, repository) = (&self.layout.window, &self.layout.repository);
        self.git
            .local(window, &[&"update-ref", &"--no-deref", &"HEAD", &head.as_str()])
            .await?;
        self.git
            .in_work_tree(window, repository, &[&"read-tree", &"--reset", &"HEAD"])
            .await?;
        self.git
            .in_work_tree(
                window,
                repository,
                &[
                    &"status",
                    &"--porcelain=v1",
                    &"-z",
                    &"--no-renames",
                    &untracked,
                    &"--ignore-submodules=all",
                ],
            )
            .await
    }

    async fn remove_files_of_lfs(&self, left: &mut Vec<Uncommitted>) -> Result<(), GitError> {
        let (window, repository) = (&self.layout.window, &self.layout.repository);
        // More than this many are not compared, and there are others to report.
        let asked = left.len().min(1000);
        let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"check-attr", &"-z", &"filter", &"--"];
        arguments.extend(
            left[..asked]
                .iter()
                .map(|entry| &entry.path as &dyn AsRef<std::ffi::OsStr>),
        );
        let answer = self.git.in_work_tree(window, repository, &arguments).await?;
        // Path, attribute, value; again and again.
        let fields: Vec<&str> = answer.split('\0').collect();
        let is_lfs = |path: &str| {
            fields
                .chunks_exact(3)
                .any(|entry| entry[0] == path && entry[2] == LFS_FILTER)
        };
        left.retain(|entry| !is_lfs(&entry.path));
        Ok(())
    }
}

/// Whether a file, or a directory that contains it, is among `accepted`. Directories end with a slash.
fn is_accepted(accepted: &HashSet<String>, path: &str) -> bool {
    let directories = path.match_indices('/').map(|(end, _)| &path[..=end]);
    accepted.contains(path)
        || directories
            .into_iter()
            .any(|directory| accepted.contains(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_an_accepted_directory_are_accepted() {
        let accepted = HashSet::from(["made/a.txt", "env/"].map(str::to_owned));
        for (path, expected) in [
            ("made/a.txt", true),
            ("env/bin/x", true),
            ("env/", true),
            ("made/b.txt", false),
            ("made/", false),
            ("env", false),
            ("other/env/x", false),
        ] {
            assert_eq!(is_accepted(&accepted, path), expected, "{path}");
        }
    }
}
