//! The changes of the branch for people: bounded, with secrets masked.

mod parse;

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use whim_core::CommitHash;
use whim_core::protocol::diff::ReportDiff;
use whim_core::redact::Redactor;
use whim_service::process::{Deadlines, RunError};

use self::parse::{files, patches, totals};
use super::handle::Workspace;
use crate::git::GitError;

/// Much more than the limits of the protocol, for what is cut of single files.
const MAX_PATCHES_BYTES: u64 = 4 * 1024 * 1024;
const MAX_NAMES_BYTES: u64 = 4 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_mins(1);

/// Nothing that the repository configures is run, and its settings do not change the format.
const OPTIONS: [&str; 5] = [
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--find-renames",
    "-l500",
];

const PATCH: [&str; 4] = ["--patch", "--unified=3", "--src-prefix=a/", "--dst-prefix=b/"];

impl Workspace {
    /// The changes from the merge base with the base branch to the pushed head; `None` if there is no pushed head.
    ///
    /// # Errors
    /// Git failed.
    pub async fn diff(&self, redactor: &Redactor) -> Result<Option<ReportDiff>, GitError> {
        let Some(head) = &self.remote_head else {
            return Ok(None);
        };
        let base = self.merge_base().await?;
        let totals = totals(&String::from_utf8_lossy(
            &self
                .compare(&["--shortstat"], &base, head, MAX_NAMES_BYTES)
                .await?,
        ));
        let names = self.compare(&["--raw", "--numstat", "-z"], &base, head, MAX_NAMES_BYTES);
        let mut files = files(&names.await?, redactor);
        let text = self.compare(&PATCH, &base, head, MAX_PATCHES_BYTES).await?;
        let is_complete = (text.len() as u64) < MAX_PATCHES_BYTES;
        patches(&mut files, &text, is_complete, redactor);
        Ok(Some(ReportDiff {
            base_sha: base,
            head_sha: head.clone(),
            files,
            file_count: totals.files,
            additions: totals.additions,
            deletions: totals.deletions,
        }))
    }

    /// The same as `git diff` prints it; the first 4 MiB.
    ///
    /// # Errors
    /// Git failed.
    pub async fn patch(&self) -> Result<String, GitError> {
        let Some(head) = &self.remote_head else {
            return Ok(String::new());
        };
        let base = self.merge_base().await?;
        let text = self.compare(&PATCH, &base, head, MAX_PATCHES_BYTES).await?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// The first `limit` bytes of what `git diff` prints.
    async fn compare(
        &self,
        format: &[&str],
        base: &CommitHash,
        head: &CommitHash,
        limit: u64,
    ) -> Result<Vec<u8>, GitError> {
        let run = |source| GitError::Run {
            command: "diff".to_owned(),
            source,
        };
        let watch = |source| {
            run(RunError::Watch {
                program: "git".to_owned(),
                source,
            })
        };
        let command = self
            .git
            .streaming(&self.layout.mirror, &[&"diff"])
            .args(OPTIONS)
            .args(format.iter().copied())
            .args(["--end-of-options", base.as_str(), head.as_str()]);
        let mut child = command.spawn().map_err(|error| run(RunError::Spawn(error)))?;
        // Closed, because a full pipe would block git.
        drop(child.take_stderr());
        let mut output = Vec::new();
        let stdout = child.take_stdout();
        let read = async {
            match stdout {
                Some(stdout) => stdout.take(limit).read_to_end(&mut output).await,
                None => Ok(0),
            }
        };
        let Ok(read) = timeout(TIMEOUT, read).await else {
            return Err(GitError::TimedOut {
                command: "diff".to_owned(),
                timeout: TIMEOUT,
            });
        };
        read.map_err(watch)?;
        if output.len() as u64 >= limit {
            child.terminate(Deadlines::IMMEDIATE).await.map_err(watch)?;
            return Ok(output);
        }
        let status = child.wait().await.map_err(watch)?;
        if status.success() {
            Ok(output)
        } else {
            Err(GitError::Failed {
                command: "diff".to_owned(),
                exit_code: status.code(),
                message: "the changes cannot be read".to_owned(),
            })
        }
    }
}
