//! The state of a workspace, and reading from it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use ralph_contract::{MAX_SPEC_BYTES, SpecDocument, files as contract_files};
use whim_core::redact::Redactor;
use whim_core::{BranchName, CommitHash, RelativePath};

use super::files;
use super::layout::Layout;
use crate::git::{Git, GitError};

/// Limit on the agent's note about why it is stuck, in bytes.
const MAX_NOTE_BYTES: usize = 64 * 1024;

/// The checklist of a repair, below the directory that is never committed.
const REPAIR_CHECKLIST: &str = ".ai/repair.md";

#[derive(Debug)]
pub struct Workspace {
    pub(super) git: Git,
    pub(super) layout: Layout,
    pub(super) redactor: Arc<Redactor>,
    pub(super) branch: BranchName,
    pub(super) base: BranchName,
    /// The head of the base branch at the start of the attempt.
    pub(super) base_head: CommitHash,
    /// The commit that the attempt started from. Its history is never replaced.
    pub(super) anchor: CommitHash,
    /// The last known head of the branch on GitHub; `None` if it does not exist there.
    pub(super) remote_head: Option<CommitHash>,
    /// Heads whose push was not answered.
    pub(super) unanswered: Vec<CommitHash>,
    /// The path of the checklist, relative to the workspace.
    pub(super) spec_path: &'static str,
}

impl Workspace {
    /// The agent's working directory.
    pub fn directory(&self) -> &Path {
        &self.layout.repository
    }

    /// The directory of the hook server's socket, which is created by the server.
    pub fn hook_directory(&self) -> &Path {
        &self.layout.hook
    }

    pub fn branch(&self) -> &BranchName {
        &self.branch
    }

    /// The base of the pull request.
    pub fn base(&self) -> &BranchName {
        &self.base
    }

    /// The path of the checklist, relative to the workspace.
    pub fn spec_path(&self) -> &'static str {
        self.spec_path
    }

    /// The last known head of the branch on GitHub; `None` if it does not exist there.
    pub fn remote_head(&self) -> Option<&CommitHash> {
        self.remote_head.as_ref()
    }

    /// The checklist as left by the agent; `None` if it is missing, too large or not a regular file.
    pub fn read_spec(&self) -> Option<String> {
        self.read(self.spec_path, MAX_SPEC_BYTES)
    }

    /// The agent's note about why it is stuck; `None` if it wrote none.
    pub fn read_stuck_note(&self) -> Option<String> {
        let note = self.read(contract_files::STUCK, MAX_NOTE_BYTES)?;
        Some(note.trim().to_owned()).filter(|note| !note.is_empty())
    }

    /// Number of commits of the branch on GitHub that the base did not have at the start of the attempt.
    ///
    /// # Errors
    /// Git failed.
    pub async fn commits_ahead(&self) -> Result<u64, GitError> {
        let Some(head) = &self.remote_head else {
            return Ok(0);
        };
        let not_base = format!("^{}", self.base_head);
        let count = self
            .git
            .local(
                &self.layout.mirror,
                &[
                    &"rev-list",
                    &"--count",
                    &"--end-of-options",
                    &head.as_str(),
                    &not_base,
                ],
            )
            .await?;
        // Git prints a number.
        Ok(count.trim().parse().unwrap_or(0))
    }

    /// The files that differ between the base at the start of the attempt and an imported head. Names that
    /// [`RelativePath`] does not allow are omitted, as they cannot be locked.
    ///
    /// # Errors
    /// Git failed, or printed too many names.
    pub async fn changed_files(&self, head: &CommitHash) -> Result<Vec<RelativePath>, GitError> {
        let range = format!("{}...{head}", self.base_head);
        let names = self
            .git
            .local(
                &self.layout.mirror,
                &[
                    &"diff",
                    &"--name-only",
                    &"--no-renames",
                    &"--no-ext-diff",
                    &"-z",
                    &"--end-of-options",
                    &range,
                ],
            )
            .await?;
        let names = names.split('\0');
        Ok(names.filter_map(|name| RelativePath::parse(name).ok()).collect())
    }

    /// Makes `checklist` the one that the agent works through, in a file of its own: the spec keeps its ticks.
    ///
    /// # Errors
    /// Writing failed, or the agent put a link or a directory there.
    pub fn begin_repair(&mut self, checklist: &SpecDocument) -> io::Result<()> {
        self.spec_path = REPAIR_CHECKLIST;
        self.write_spec(checklist)
    }

    pub(super) fn write_spec(&self, spec: &SpecDocument) -> io::Result<()> {
        files::write(&self.layout.repository, self.spec_path, spec.as_str())
    }

    fn read(&self, path: &str, limit: usize) -> Option<String> {
        match files::read(&self.layout.repository, path, limit) {
            Ok(content) => content,
            Err(error) => {
                tracing::warn!(%error, path, "failed to read a file of the workspace");
                None
            }
        }
    }
}
