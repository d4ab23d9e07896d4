//! The code that is worked on, and the way of commits out of it.
//!
//! Three repositories, two of them out of the agent's sight:
//!
//! - `mirror.git` is the worker's own. It fetches from GitHub and pushes to it, and it makes the workspace.
//! - `repository` is the workspace: a plain clone of the mirror that shares no file with it, whose `origin` is GitHub
//!   without any credential. From the moment an agent was in it, it is hostile, its `.git` included.
//! - `window.git` is the worker's own as well and has no objects: it looks at those of the workspace. Commits come over
//!   by fetching from the window, so that no git process ever reads a configuration, a hook or an attribute that the
//!   agent wrote. Of the workspace's `.git` only `HEAD` and refs are read, as data; what is wrong with its objects is
//!   found by the checks of the fetch.

mod branch;
mod clone;
mod files;
mod import;
mod layout;
mod leak;
mod push;
mod spec_file;

use std::io;
use std::path::Path;
use std::sync::Arc;

use ralph_contract::{MAX_SPEC_BYTES, SpecDocument, files as contract_files};
use whim_core::redact::Redactor;
use whim_core::{BranchName, CommitHash, RelativePath};

pub use self::clone::prepare;
pub use self::import::{ImportError, Imported};
pub use self::layout::Layout;
pub use self::push::PushError;
use crate::git::{Git, GitError};
use crate::report::Reporter;

/// Nobody reads more of a note that the agent left.
const MAX_NOTE_BYTES: usize = 64 * 1024;

/// The code that is worked on.
#[derive(Debug)]
pub struct Workspace {
    git: Git,
    layout: Layout,
    redactor: Arc<Redactor>,
    branch: BranchName,
    base: BranchName,
    /// The base as it was when the attempt began.
    base_head: CommitHash,
    /// The commit that the attempt began with: what leads to it is never replaced.
    anchor: CommitHash,
    /// What the branch is on GitHub, as far as is known; `None` while it is not there.
    remote_head: Option<CommitHash>,
    /// Heads that were pushed without an answer.
    unanswered: Vec<CommitHash>,
    /// Where the checklist is, relative to the workspace.
    spec_path: &'static str,
}

impl Workspace {
    /// The directory in which the agent works.
    pub fn directory(&self) -> &Path {
        &self.layout.repository
    }

    /// Where the agent's hook asks before an edit; not made yet.
    pub fn desk(&self) -> &Path {
        &self.layout.desk
    }

    /// The branch that is worked on.
    pub fn branch(&self) -> &BranchName {
        &self.branch
    }

    /// The branch that the pull request goes into.
    pub fn base(&self) -> &BranchName {
        &self.base
    }

    /// Where the checklist is, relative to the workspace.
    pub fn spec_path(&self) -> &'static str {
        self.spec_path
    }

    /// What the branch is on GitHub, as far as is known; `None` while it is not there.
    pub fn remote_head(&self) -> Option<&CommitHash> {
        self.remote_head.as_ref()
    }

    /// The checklist as the agent left it; `None` when it is gone, too large or not a plain file.
    pub fn read_spec(&self) -> Option<String> {
        self.read(self.spec_path, MAX_SPEC_BYTES)
    }

    /// What the agent wrote about why it cannot go on; `None` when it wrote nothing.
    pub fn read_stuck_note(&self) -> Option<String> {
        let note = self.read(contract_files::STUCK, MAX_NOTE_BYTES)?;
        Some(note.trim().to_owned()).filter(|note| !note.is_empty())
    }

    /// How many commits the branch on GitHub has that the base had not when the attempt began.
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
        // Git prints a number; anything else would be as good as none.
        Ok(count.trim().parse().unwrap_or(0))
    }

    /// The files that differ between the base, as it was when the attempt began, and a head that was taken over. Names
    /// that no lock can have are left out.
    ///
    /// # Errors
    /// Git failed, or there are more names than anybody reads.
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

    /// Makes a clean checkout of what was pushed, for the tests: what the agent did not commit is not delivered.
    ///
    /// # Errors
    /// Git failed.
    pub async fn check_out_for_tests(&self) -> Result<&Path, GitError> {
        clone::check_out(&self.git, &self.layout, &self.branch).await?;
        Ok(&self.layout.check)
    }

    /// Writes the checklist to where the agent expects it.
    fn write_spec(&self, spec: &SpecDocument) -> io::Result<()> {
        files::write(&self.layout.repository, self.spec_path, spec.as_str())
    }

    fn read(&self, path: &str, limit: usize) -> Option<String> {
        match files::read(&self.layout.repository, path, limit) {
            Ok(content) => content,
            Err(error) => {
                tracing::warn!(%error, path, "a file of the agent's cannot be read");
                None
            }
        }
    }
}

/// What `Prepared` is made of.
#[derive(Debug)]
pub struct Ready {
    /// The code.
    pub workspace: Workspace,
    /// The checklist, with those ticks of earlier attempts that still count.
    pub spec: SpecDocument,
}

impl Ready {
    /// Tells the orchestrator what an earlier attempt left, when there is something.
    pub(crate) fn tell(&self, reporter: &Reporter) {
        if let Some(head) = self.workspace.remote_head() {
            let done = self.spec.done_count();
            let total = self.spec.tasks().len();
            reporter.notice(&format!(
                "Resuming {} at {}: {done} of {total} tasks are done",
                self.workspace.branch,
                &head.as_str()[..12],
            ));
        }
    }
}
