//! Brings the branch up to date with its base, in the mirror: no file of the agent is read, and no hook or merge driver runs.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use whim_core::CommitHash;
use whim_service::chain::chain;

use super::branch::reference;
use super::handle::Workspace;
use crate::git::{GitError, RemoteError};
use crate::identity::Identity;

/// What a merge of the base would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseMerge {
    /// The branch contains its base.
    UpToDate,
    /// A new commit of the mirror, which is not pushed yet.
    Merged(CommitHash),
    /// Files that both changed. Git names none for some conflicts, such as a directory that became several.
    Conflict(Vec<String>),
}

impl Workspace {
    /// Fetches the base branch.
    ///
    /// # Errors
    /// GitHub is unavailable, or refuses.
    pub async fn fetch_base(&mut self) -> Result<(), RemoteError> {
        let name = reference(&self.base);
        let refspec = format!("+{name}:{name}");
        let url = self.git.url().to_owned();
        self.git
            .remote(
                &self.layout.mirror,
                &[
                    &"fetch",
                    &"--quiet",
                    &"--no-write-fetch-head",
                    &"--no-tags",
                    &"--no-recurse-submodules",
                    &"--",
                    &url,
                    &refspec,
                ],
            )
            .await?;
        let head = self
            .git
            .local(&self.layout.mirror, &[&"rev-parse", &"--verify", &name])
            .await?;
        if let Ok(head) = CommitHash::parse(head.trim()) {
            self.base_head = head;
        }
        Ok(())
    }

    /// Whether the pushed branch contains the last known head of its base.
    ///
    /// # Errors
    /// Git failed.
    pub async fn contains_base(&self) -> Result<bool, GitError> {
        let Some(head) = &self.remote_head else {
            return Ok(true);
        };
        let (base, head) = (self.base_head.as_str(), head.as_str());
        self.git
            .succeeds(
                &self.layout.mirror,
                &[&"merge-base", &"--is-ancestor", &base, &head],
            )
            .await
    }

    /// Merges the last known head of the base into the pushed branch, if that is possible without a decision.
    ///
    /// # Errors
    /// Git failed.
    pub async fn merge_base_branch(&self, identity: &Identity) -> Result<BaseMerge, GitError> {
        let Some(head) = self.remote_head.as_ref() else {
            return Ok(BaseMerge::UpToDate);
        };
        if self.contains_base().await? {
            return Ok(BaseMerge::UpToDate);
        }
        let (base, head) = (self.base_head.as_str(), head.as_str());
        let mirror = &self.layout.mirror;
        let (is_merged, output) = self
            .git
            .answer(
                mirror,
                &[
                    &"merge-tree",
                    &"--write-tree",
                    &"-z",
                    &"--name-only",
                    &"--no-messages",
                    &head,
                    &base,
                ],
            )
            .await?;
        // The tree, and the files with marks of conflicts.
        let mut fields = output.split('\0').filter(|field| !field.is_empty());
        let tree = fields.next().unwrap_or_default();
        if !is_merged {
            return Ok(BaseMerge::Conflict(fields.map(str::to_owned).collect()));
        }
        let sign_off = self
            .trailers
            .as_ref()
            .and_then(|trailers| trailers.sign_off.as_ref());
        let sign_off = sign_off.map_or_else(String::new, |person| format!("\n\nSigned-off-by: {person}"));
        let message = format!("Merge {} into {}{sign_off}", self.base, self.branch);
        let commit = self
            .git
            .commit(
                mirror,
                identity.variables(),
                &[&"commit-tree", &"-p", &head, &"-p", &base, &"-m", &message, &tree],
            )
            .await?;
        Ok(match CommitHash::parse(commit.trim()) {
            Ok(commit) => BaseMerge::Merged(commit),
            Err(_) => BaseMerge::UpToDate,
        })
    }

    /// The workspace lacks commits that were made in the mirror. [`Self::renew`] creates it again.
    pub fn is_outdated(&self) -> bool {
        self.is_outdated
    }

    /// From now on, the workspace is outdated.
    pub fn set_outdated(&mut self) {
        self.is_outdated = true;
    }

    /// Creates the workspace again from the pushed branch. Whim's own files are kept; files that are not committed are not. No
    /// process of the agent may run.
    ///
    /// # Errors
    /// Git failed, or a directory cannot be moved or written. The workspace is as it was then.
    pub async fn renew(&mut self) -> io::Result<()> {
        let old = unused_name(&self.layout.private);
        exchange(
            &self.layout.repository,
            &old,
            self.own.run.directory(),
            async || {
                self.clone_for_agent()
                    .await
                    .map_err(|error| io::Error::other(chain(&error).to_string()))?;
                self.remember_files()?;
                self.install_trailers()
            },
        )
        .await?;
        // The agent may have made a directory read-only; what is left only takes up space.
        if let Err(error) = tokio::fs::remove_dir_all(&old).await {
            tracing::warn!(%error, "the old workspace could not be removed");
        }
        self.is_outdated = false;
        Ok(())
    }
}

/// `old-1`, or the next one that does not exist.
fn unused_name(directory: &Path) -> PathBuf {
    let mut number = 1;
    loop {
        let path = directory.join(format!("old-{number}"));
        if fs::symlink_metadata(&path).is_err() {
            return path;
        }
        number += 1;
    }
}

/// Moves `current` to `old`, has it created again, and moves the directory `kept` from the old to the new one, if there is one.
///
/// # Errors
/// A step failed, and `current` is as it was.
async fn exchange(
    current: &Path,
    old: &Path,
    kept: &str,
    create: impl AsyncFnOnce() -> io::Result<()>,
) -> io::Result<()> {
    // A directory that is moved to another one must be writable.
    for directory in [current.to_owned(), current.join(kept)] {
        make_writable(&directory)?;
    }
    fs::rename(current, old)?;
    let created = async {
        create().await?;
        match fs::rename(old.join(kept), current.join(kept)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            moved => moved,
        }
    };
    if let Err(error) = created.await {
        match fs::remove_dir_all(current) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "the incomplete workspace could not be removed");
            }
            Ok(()) | Err(_) => {}
        }
        fs::rename(old, current)?;
        return Err(error);
    }
    Ok(())
}

/// Follows no link. No process of the agent runs that could put one there.
fn make_writable(directory: &Path) -> io::Result<()> {
    match fs::symlink_metadata(directory) {
        Ok(found) if found.is_dir() => fs::set_permissions(
            directory,
            fs::Permissions::from_mode(found.permissions().mode() | 0o700),
        ),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace with the agent's files and Whim's, and where it is moved to.
    fn workspace(root: &Path) -> (PathBuf, PathBuf) {
        let current = root.join("repository");
        fs::create_dir_all(current.join("run")).unwrap();
        fs::write(current.join("run/SPEC.md"), "spec").unwrap();
        fs::write(current.join("draft.txt"), "draft").unwrap();
        (current, unused_name(root))
    }

    #[tokio::test]
    async fn a_workspace_that_cannot_be_created_again_stays_as_it_was() {
        let root = tempfile::tempdir().unwrap();
        let (current, old) = workspace(root.path());

        let result = exchange(&current, &old, "run", async || {
            fs::create_dir(&current)?;
            fs::write(current.join("incomplete.txt"), "")?;
            Err(io::Error::other("no space"))
        });

        assert_eq!(result.await.unwrap_err().to_string(), "no space");
        assert_eq!(fs::read_to_string(current.join("run/SPEC.md")).unwrap(), "spec");
        assert!(current.join("draft.txt").exists() && !current.join("incomplete.txt").exists());
        assert!(!old.exists());
    }

    #[tokio::test]
    async fn a_new_workspace_has_the_files_of_whim_and_the_old_one_is_beside_it() {
        let root = tempfile::tempdir().unwrap();
        for number in 1..=2 {
            let (current, old) = workspace(root.path());
            fs::set_permissions(current.join("run"), fs::Permissions::from_mode(0o500)).unwrap();
            exchange(&current, &old, "run", async || fs::create_dir(&current))
                .await
                .unwrap();
            assert_eq!(old, root.path().join(format!("old-{number}")));
            assert_eq!(fs::read_to_string(current.join("run/SPEC.md")).unwrap(), "spec");
            assert!(!current.join("draft.txt").exists() && old.join("draft.txt").exists());
        }
        let (current, old) = workspace(root.path());
        fs::remove_dir_all(current.join("run")).unwrap();
        exchange(&current, &old, "run", async || fs::create_dir(&current))
            .await
            .unwrap();
        assert!(!current.join("run").exists());
    }
}
