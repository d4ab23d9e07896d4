//! Brings the branch up to date with its base, in the mirror: no file of the agent is read, and no hook or merge driver runs.

use std::fs;
use std::io;

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
    /// Files that both changed.
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
        let merged = self
            .git
            .local(
                mirror,
                &[
                    &"merge-tree",
                    &"--write-tree",
                    &"--name-only",
                    &"--no-messages",
                    &head,
                    &base,
                ],
            )
            .await;
        let tree = match merged {
            Ok(tree) => tree,
            // The tree with the marks of conflicts, and the files that have some.
            Err(GitError::Failed {
                exit_code: Some(1),
                message,
                ..
            }) => {
                let is_hash = |line: &str| CommitHash::parse(line).is_ok();
                let lines = message.lines().map(str::trim);
                let files = lines.filter(|line| !line.is_empty() && !is_hash(line));
                return Ok(BaseMerge::Conflict(files.map(str::to_owned).collect()));
            }
            Err(error) => return Err(error),
        };
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
                &[
                    &"commit-tree",
                    &"-p",
                    &head,
                    &"-p",
                    &base,
                    &"-m",
                    &message,
                    &tree.trim(),
                ],
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
    /// Git failed, or a directory cannot be removed or written.
    pub async fn renew(&mut self) -> io::Result<()> {
        let repository = &self.layout.repository;
        let own = repository.join(self.own.run.directory());
        let kept = self.layout.private.join("kept-files");
        match fs::rename(&own, &kept) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::remove_dir_all(repository)?;
        self.clone_for_agent()
            .await
            .map_err(|error| io::Error::other(chain(&error).to_string()))?;
        if kept.exists() {
            fs::rename(&kept, repository.join(self.own.run.directory()))?;
        }
        self.remember_files()?;
        self.install_trailers()?;
        self.is_outdated = false;
        Ok(())
    }
}
