//! Searches commits for credentials before they are pushed (`docs/attacks.md`, rows 32 and 33).

use std::fmt;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use whim_core::CommitHash;
use whim_service::process::{Child, Deadlines, RunError};

use super::handle::Workspace;
use super::secret_patterns::{OwnSecrets, token_in};
use crate::git::GitError;

const TIMEOUT: Duration = Duration::from_mins(10);
const CHUNK_BYTES: usize = 256 * 1024;
/// Longer than any form of a credential.
const OVERLAP_BYTES: usize = 16 * 1024;
/// Longer lines are searched for tokens in pieces of this length.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// Begins the first line of a commit, and is the line after its message. A message contains none, and no line of a diff begins
/// with it.
const MARK: char = '\0';

/// A credential in commits that are about to be pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundSecret {
    /// One of Whim's own.
    Own,
    /// The token of a usual service.
    Token {
        kind: &'static str,
        /// The file; `None` for a commit message.
        path: Option<String>,
    },
}

impl fmt::Display for FoundSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => formatter.write_str("one of Whim's own credentials"),
            Self::Token {
                kind,
                path: Some(path),
            } => write!(formatter, "{kind} in {path}"),
            Self::Token { kind, path: None } => write!(formatter, "{kind} in a commit message"),
        }
    }
}

/// The first credential in the new commits of `head`, including their messages and authors. Every commit is searched, because
/// a credential that a later commit removes would still be pushed.
pub(super) async fn find_secret(
    workspace: &Workspace,
    head: &CommitHash,
) -> Result<Option<FoundSecret>, GitError> {
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
            &"--unified=0",
            &"--text",
            &"--no-renames",
            &"--no-ext-diff",
            &"--no-textconv",
            &"--no-color",
            // What a merge takes over from the base was there before.
            &"--diff-merges=dense-combined",
            &"--format=%x00%an <%ae>%n%cn <%ce>%n%B%n%x00",
            &"--end-of-options",
            &head.as_str(),
            &not_base,
            &not_remote,
        ],
    );
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
    let failed = |message: &str, exit_code| GitError::Failed {
        command: "log".to_owned(),
        exit_code,
        message: workspace.git.sanitize(message),
    };
    let mut child = command.spawn().map_err(|error| run(RunError::Spawn(error)))?;
    let mut search = Search::new(&workspace.secrets);
    let Ok(found) = timeout(TIMEOUT, scan(&mut child, &mut search)).await else {
        return Err(GitError::TimedOut {
            command: "log".to_owned(),
            timeout: TIMEOUT,
        });
    };
    if let Some(secret) = found.map_err(watch)? {
        child.terminate(Deadlines::IMMEDIATE).await.map_err(watch)?;
        return Ok(Some(secret));
    }
    let status = child.wait().await.map_err(watch)?;
    if status.success() {
        Ok(None)
    } else {
        Err(failed("the new commits cannot be read", status.code()))
    }
}

async fn scan(child: &mut Child, search: &mut Search<'_>) -> std::io::Result<Option<FoundSecret>> {
    let Some(mut output) = child.take_stdout() else {
        return Err(std::io::Error::other("the output of git is not available"));
    };
    // Closed, because a full pipe would block git.
    drop(child.take_stderr());
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = output.read(&mut chunk).await?;
        if count == 0 {
            return Ok(search.finish());
        }
        let found = search.find_in(&chunk[..count]);
        if found.is_some() {
            return Ok(found);
        }
    }
}

/// Searches a stream of chunks.
struct Search<'s> {
    own: &'s OwnSecrets,
    /// The end of what was read, for credentials across chunks.
    window: Vec<u8>,
    /// The beginning of a line whose end was not read, or its next piece.
    line: Vec<u8>,
    /// Whether an earlier piece of the line was searched.
    is_continued: bool,
    part: Part,
    /// The file whose changes are read; `None` in a message.
    path: Option<String>,
    /// Whether the line is new: an added line, or one of a message.
    is_new: bool,
}

/// What a line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Its author, committer and message.
    Message,
    /// The names of a changed file.
    Header,
    Changes,
}

impl<'s> Search<'s> {
    fn new(own: &'s OwnSecrets) -> Self {
        Self {
            own,
            window: Vec::new(),
            line: Vec::new(),
            is_continued: false,
            part: Part::Message,
            path: None,
            is_new: true,
        }
    }

    fn find_in(&mut self, chunk: &[u8]) -> Option<FoundSecret> {
        let excess = self.window.len().saturating_sub(OVERLAP_BYTES);
        self.window.drain(..excess);
        self.window.extend_from_slice(chunk);
        // Credentials are ASCII, so replacing invalid UTF-8 around them does not hide them.
        if self.own.are_in(&String::from_utf8_lossy(&self.window)) {
            return Some(FoundSecret::Own);
        }
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.line.len() > MAX_LINE_BYTES {
                let found = self.token_in_line();
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    fn finish(&mut self) -> Option<FoundSecret> {
        self.token_in_line()
    }

    /// Only what is new.
    fn token_in_line(&mut self) -> Option<FoundSecret> {
        let line = std::mem::take(&mut self.line);
        let is_continued = std::mem::replace(&mut self.is_continued, !line.ends_with(b"\n"));
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if !is_continued {
            self.is_new = self.begin_line(line);
        }
        let kind = self.is_new.then(|| token_in(line)).flatten()?;
        Some(FoundSecret::Token {
            kind,
            path: self.path.clone(),
        })
    }

    /// Returns whether the line is new.
    fn begin_line(&mut self, line: &str) -> bool {
        if let Some(rest) = line.strip_prefix(MARK) {
            let is_message = !rest.is_empty();
            self.part = if is_message { Part::Message } else { Part::Header };
            self.path = (!is_message).then(String::new);
            return is_message;
        }
        match self.part {
            Part::Message => true,
            // A line of changes begins with a sign.
            Part::Header | Part::Changes if line.starts_with("diff --") => {
                self.part = Part::Header;
                self.path = Some(String::new());
                false
            }
            Part::Header => {
                if let Some(named) = line.strip_prefix("+++ ") {
                    self.path = Some(named.strip_prefix("b/").unwrap_or(named).to_owned());
                } else if line.starts_with("@@") {
                    self.part = Part::Changes;
                }
                false
            }
            Part::Changes => line.starts_with('+'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "ghp_wW3kX9zQ2vB7nM4tR8yL1hD6jS5fG0cAEuKi";

    #[test]
    fn a_credential_across_chunks_is_found() {
        let own = OwnSecrets::new(["ghp_0123456789"]);
        let mut search = Search::new(&own);
        assert_eq!(search.find_in(&vec![0xff; 100_000]), None);
        assert_eq!(search.find_in(b"+token = ghp_01234"), None);
        assert_eq!(search.find_in(b"56789\n"), Some(FoundSecret::Own));
    }

    #[test]
    fn a_short_credential_must_be_complete() {
        let own = OwnSecrets::new(["ghp_0123456789"]);
        let mut search = Search::new(&own);
        assert_eq!(search.find_in(b"ghp_012345678"), None);
        assert_eq!(search.find_in(b"8"), None);
    }

    #[test]
    fn tokens_are_found_in_added_lines_and_messages_and_not_in_removed_ones() {
        let own = OwnSecrets::new([]);
        let find = |text: &str| {
            let mut search = Search::new(&own);
            let halves = text.as_bytes().split_at(text.len() / 2);
            search
                .find_in(halves.0)
                .or_else(|| search.find_in(halves.1))
                .or_else(|| search.finish())
        };
        let commit = |message: &str, line: &str| {
            format!(
                "\0A <a@b>\nA <a@b>\n{message}\n\n\0\n\ndiff --git a/x.js b/x.js\n--- a/x.js\n+++ b/x.js\n@@ -1 +1 @@\n{line}\n"
            )
        };
        let diff = |line: &str| commit("Add", line);
        let found = |path: Option<&str>| {
            Some(FoundSecret::Token {
                kind: "a GitHub token",
                path: path.map(str::to_owned),
            })
        };
        assert_eq!(find(&diff(&format!("+key = {TOKEN}"))), found(Some("x.js")));
        assert_eq!(find(&diff(&format!("-key = {TOKEN}"))), None);
        let message = format!("Use {TOKEN}");
        assert_eq!(
            find(&format!("\0A <a@b>\nA <a@b>\n{message}\n\n\0\n")),
            found(None)
        );
        // Of the older commit, which comes after the changes of the newer one.
        let older = diff("+a") + &commit(&message, "+b");
        assert_eq!(find(&older), found(None));
        // Lines that look like those of a diff.
        assert_eq!(
            find(&commit(&format!("diff --git\n{message}"), "+b")),
            found(None)
        );
        assert_eq!(find(&diff(&format!("+++ {TOKEN}"))), found(Some("x.js")));
        // The second piece of a long line.
        let long = format!("{} {TOKEN}", "a".repeat(MAX_LINE_BYTES + 10));
        assert_eq!(find(&diff(&format!("+{long}"))), found(Some("x.js")));
        assert_eq!(find(&diff(&format!("-{long}"))), None);
    }
}
