//! Searches commits for Whim's own credentials before they are pushed (`docs/attacks.md`, row 33).

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use whim_core::CommitHash;
use whim_core::redact::Redactor;
use whim_service::process::{Deadlines, RunError};

use super::handle::Workspace;
use crate::git::GitError;

const TIMEOUT: Duration = Duration::from_mins(10);
const CHUNK_BYTES: usize = 256 * 1024;
/// Longer than any encoding of a credential.
const OVERLAP_BYTES: usize = 16 * 1024;

/// Whether a new commit of `head`, including its message and author, contains a credential. Every commit is searched,
/// because a credential that a later commit removes would still be pushed.
pub(super) async fn commits_contain_secret(
    workspace: &Workspace,
    head: &CommitHash,
) -> Result<bool, GitError> {
    let not_base = format!("^{}", workspace.base_head);
    let not_remote = format!(
        "^{}",
        workspace.remote_head.as_ref().unwrap_or(&workspace.base_head)
    );
    let command = workspace.git.streaming(
        &workspace.layout.mirror,
        &[
            &"log",
            &"--patch",
            &"--text",
            &"--no-renames",
            &"--no-ext-diff",
            &"--no-textconv",
            &"--no-color",
            &"--diff-merges=separate",
            &"--format=%an <%ae>%n%cn <%ce>%n%B",
            &"--end-of-options",
            &head.as_str(),
            &not_base,
            &not_remote,
        ],
    );
    let failed = |message: &str, exit_code| GitError::Failed {
        command: "log".to_owned(),
        exit_code,
        message: workspace.git.sanitize(message),
    };
    let run = |source| GitError::Run {
        command: "log".to_owned(),
        source,
    };
    let watch = |source| {
        run(RunError::Watch {
            program: "git".to_owned(),
            source,
        })
    };
    let mut child = command.spawn().map_err(|error| run(RunError::Spawn(error)))?;
    let Some(mut output) = child.take_stdout() else {
        return Err(failed("its output is not available", None));
    };
    // Closed, because a full pipe would block git.
    drop(child.take_stderr());
    let mut search = Search::new(&workspace.redactor);
    let scan = async {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = output.read(&mut chunk).await?;
            if count == 0 {
                return Ok(false);
            }
            if search.finds_in(&chunk[..count]) {
                return Ok(true);
            }
        }
    };
    let found = timeout(TIMEOUT, scan).await;
    let Ok(found) = found else {
        return Err(GitError::TimedOut {
            command: "log".to_owned(),
            timeout: TIMEOUT,
        });
    };
    if found.map_err(watch)? {
        child.terminate(Deadlines::IMMEDIATE).await.map_err(watch)?;
        return Ok(true);
    }
    let status = child.wait().await.map_err(watch)?;
    if status.success() {
        Ok(false)
    } else {
        Err(failed("the new commits cannot be read", status.code()))
    }
}

/// Searches a stream of chunks.
struct Search<'r> {
    redactor: &'r Redactor,
    window: Vec<u8>,
}

impl<'r> Search<'r> {
    fn new(redactor: &'r Redactor) -> Self {
        Self {
            redactor,
            window: Vec::new(),
        }
    }

    fn finds_in(&mut self, chunk: &[u8]) -> bool {
        let excess = self.window.len().saturating_sub(OVERLAP_BYTES);
        self.window.drain(..excess);
        self.window.extend_from_slice(chunk);
        // Credentials are ASCII, so replacing invalid UTF-8 around them does not hide them.
        let text = String::from_utf8_lossy(&self.window);
        self.redactor.redact(&text) != *text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_across_chunks_is_found() {
        let redactor = Redactor::new(["ghp_0123456789".to_owned()]);
        let mut search = Search::new(&redactor);
        assert!(!search.finds_in(&vec![0xff; 100_000]));
        assert!(!search.finds_in(b"+token = ghp_01234"));
        assert!(search.finds_in(b"56789\n"));
    }

    #[test]
    fn a_partial_credential_is_not_found() {
        let redactor = Redactor::new(["ghp_0123456789".to_owned()]);
        let mut search = Search::new(&redactor);
        assert!(!search.finds_in(b"ghp_012345678"));
        assert!(!search.finds_in(b"8"));
    }
}
