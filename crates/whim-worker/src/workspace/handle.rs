//! The state of a workspace, and reading from it.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use ralph_contract::{MAX_SPEC_BYTES, SpecDocument};
use whim_core::{BranchName, CommitHash, RelativePath};

use super::agent_notes::AgentNotes;
use super::files;
use super::layout::Layout;
use super::new_learnings::NewLearnings;
use super::own_files::OwnFiles;
use super::secret_patterns::OwnSecrets;
use super::trailers::Trailers;
use crate::git::{Git, GitError};

/// Limit on what the agent wrote about why it is stuck, in bytes.
const MAX_STUCK_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub struct Workspace {
    pub(super) git: Git,
    pub(super) layout: Layout,
    pub(super) secrets: OwnSecrets,
    pub(super) branch: BranchName,
    pub(super) base: BranchName,
    /// The default branch of the repository, if the base is another one.
    pub(super) other_default: Option<BranchName>,
    /// The head of the base branch at the start of the attempt, whose policy applies.
    pub(super) base_at_start: CommitHash,
    /// The last known head of the base branch.
    pub(super) base_head: CommitHash,
    /// The commit that every later head must contain: the start of the attempt, and then what was pushed for finished work.
    pub(super) anchor: CommitHash,
    /// The last known head of the branch on GitHub; `None` if it does not exist there.
    pub(super) remote_head: Option<CommitHash>,
    /// The head of a finished pull request on GitHub, which the first push replaces.
    pub(super) replaced: Option<CommitHash>,
    /// Heads whose push was not answered.
    pub(super) unanswered: Vec<CommitHash>,
    pub(super) own: OwnFiles,
    /// Of the agent's commits.
    pub(super) trailers: Option<Trailers>,
    /// Files that the setup of the policy created, and that are not the agent's.
    pub(super) accepted_untracked: HashSet<String>,
    /// The workspace lacks commits that were made in the mirror.
    pub(super) is_outdated: bool,
}

impl Workspace {
    /// The agent's working directory.
    pub fn directory(&self) -> &Path {
        &self.layout.repository
    }

    /// Not accessible to other users.
    pub fn private_directory(&self) -> &Path {
        &self.layout.private
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

    /// The default branch of the repository, if the base is another one.
    pub fn other_default_branch(&self) -> Option<&BranchName> {
        self.other_default.as_ref()
    }

    /// The names of Whim's own files in the workspace.
    pub fn own_files(&self) -> &OwnFiles {
        &self.own
    }

    /// The commit that every later head must contain.
    pub fn anchor(&self) -> &CommitHash {
        &self.anchor
    }

    /// Keeps all pushed commits: from now on, a head without them is refused.
    pub fn keep_pushed(&mut self) {
        if let Some(head) = &self.remote_head {
            self.anchor.clone_from(head);
        }
    }

    /// The last known head of the branch on GitHub; `None` if it does not exist there.
    pub fn remote_head(&self) -> Option<&CommitHash> {
        self.remote_head.as_ref()
    }

    /// The checklist as left by the agent; `None` if it is missing, too large or not a regular file.
    pub fn read_spec(&self) -> Option<String> {
        self.read(&self.own.checklist, MAX_SPEC_BYTES)
    }

    /// What the agent wrote about why it is stuck, if it did.
    pub fn read_stuck_reason(&self) -> Option<String> {
        let reason = self.read(&self.own.run.stuck(), MAX_STUCK_BYTES)?;
        Some(reason.trim().to_owned()).filter(|reason| !reason.is_empty())
    }

    /// Number of commits of the branch on GitHub that the base does not have.
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

    /// The messages of the commits of `head`, which must be imported, that the base does not have.
    ///
    /// # Errors
    /// Git failed, or printed too much.
    pub async fn commit_messages(&self, head: &CommitHash) -> Result<String, GitError> {
        let not_base = format!("^{}", self.base_head);
        self.git
            .local(
                &self.layout.mirror,
                &[
                    &"log",
                    &"--format=%B",
                    &"--end-of-options",
                    &head.as_str(),
                    &not_base,
                ],
            )
            .await
    }

    /// The files that differ between the base and an imported head. Names that
    /// [`RelativePath`] does not allow are omitted, as they cannot be locked.
    ///
    /// # Errors
    /// Git failed, or printed too many names.
    pub async fn changed_files(&self, head: &CommitHash) -> Result<Vec<RelativePath>, GitError> {
        let names = self.changed_names(head).await?;
        Ok(names
            .iter()
            .filter_map(|name| RelativePath::parse(name).ok())
            .collect())
    }

    /// The same with every name; a renamed file has both.
    ///
    /// # Errors
    /// Git failed, or printed too many names.
    pub async fn changed_names(&self, head: &CommitHash) -> Result<Vec<String>, GitError> {
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
        let names = names.split('\0').filter(|name| !name.is_empty());
        Ok(names.map(str::to_owned).collect())
    }

    /// Makes `checklist` the one that the agent works through, in a file of its own: the spec keeps its ticks.
    ///
    /// # Errors
    /// Writing failed, or the agent put a link or a directory there.
    pub fn begin_repair(&mut self, checklist: &SpecDocument) -> io::Result<()> {
        self.own.begin_repair();
        if let Err(error) = self.write_trailers(true) {
            tracing::warn!(%error, "the trailers of commits cannot be written");
        }
        // What had to be put right is done.
        self.write_correction("")?;
        self.write_spec(checklist)
    }

    /// Writes the checklist for the agent.
    ///
    /// # Errors
    /// Writing failed, or the agent put a link or a directory there.
    pub fn write_spec(&self, spec: &SpecDocument) -> io::Result<()> {
        files::write(&self.layout.repository, &self.own.checklist, spec.as_str())
    }

    /// Writes what the next agent must put right first.
    ///
    /// # Errors
    /// Writing failed, or the agent put a link or a directory there.
    pub fn write_correction(&self, correction: &str) -> io::Result<()> {
        files::write(&self.layout.repository, &self.own.run.correction(), correction)
    }

    /// Writes the learnings of earlier attempts for the agent.
    ///
    /// # Errors
    /// Writing failed.
    pub fn write_learnings(&self, learnings: &str) -> io::Result<()> {
        files::write(&self.layout.repository, &self.own.run.learnings(), learnings)
    }

    /// Where agents read the notes of the people who requested the work.
    pub fn notes_file(&self) -> AgentNotes {
        AgentNotes {
            repository: self.layout.repository.clone(),
            path: self.own.run.notes(),
        }
    }

    /// Where the agent writes what it learned.
    pub fn new_learnings(&self) -> NewLearnings {
        NewLearnings {
            repository: self.layout.repository.clone(),
            path: self.own.run.new_learnings(),
            secrets: self.secrets.clone(),
        }
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
