//! What went wrong between git and GitHub.

use std::sync::LazyLock;

use regex::Regex;

use super::GitError;
use crate::patience::{Retry, Temporary};

/// A call of git against GitHub failed.
#[derive(Debug, thiserror::Error)]
#[error("reaching the repository on GitHub")]
pub struct RemoteError {
    /// What kind of trouble it is.
    pub problem: RemoteProblem,
    /// What git said.
    #[source]
    pub source: GitError,
}

/// What kind of trouble there is with GitHub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteProblem {
    /// GitHub is not available, or limits the rate of calls.
    Away,
    /// The token is not accepted: it was revoked, or its time is over.
    BadToken,
    /// The token may not do this.
    Denied,
    /// There is no such repository, as far as the token may know.
    NotFound,
    /// Something else.
    Other,
}

impl From<GitError> for RemoteError {
    fn from(source: GitError) -> Self {
        let problem = match &source {
            GitError::Failed { words, .. } => RemoteProblem::of(words),
            GitError::TimedOut { .. } => RemoteProblem::Away,
            GitError::Run { .. } | GitError::Output { .. } => RemoteProblem::Other,
        };
        Self { problem, source }
    }
}

impl Temporary for RemoteError {
    fn retry(&self) -> Retry {
        match self.problem {
            RemoteProblem::Away => Retry::Soon,
            RemoteProblem::BadToken
            | RemoteProblem::Denied
            | RemoteProblem::NotFound
            | RemoteProblem::Other => Retry::Pointless,
        }
    }
}

static STATUS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:returned error: |HTTP )(\d{3})\b").ok());

impl RemoteProblem {
    /// Git has one exit code for all of this: only its words, in the language `C`, tell.
    fn of(words: &str) -> Self {
        let status = STATUS
            .as_ref()
            .and_then(|pattern| pattern.captures(words))
            .and_then(|found| found[1].parse::<u16>().ok());
        match status {
            Some(401) => return Self::BadToken,
            Some(403) => return Self::Denied,
            Some(404) => return Self::NotFound,
            Some(429 | 500..=599) => return Self::Away,
            Some(_) | None => {}
        }
        let says = |any: &[&str]| any.iter().any(|part| words.contains(part));
        if says(&[
            "Authentication failed",
            "could not read Password",
            "could not read Username",
        ]) {
            // Git asks for a user when the answer was 401, and the token is all that it has.
            Self::BadToken
        } else if says(&["not found"]) {
            Self::NotFound
        } else if says(&CONNECTION_TROUBLE) {
            Self::Away
        } else {
            Self::Other
        }
    }
}

/// As libcurl and git word it.
const CONNECTION_TROUBLE: [&str; 16] = [
    "Could not resolve",
    "Failed to connect",
    "Couldn't connect",
    "Connection refused",
    "Connection reset",
    "Connection timed out",
    "Connection was reset",
    "timed out",
    "too slow",
    "Empty reply",
    "Recv failure",
    "Send failure",
    "transfer closed",
    "early EOF",
    "unexpected disconnect",
    "hung up unexpectedly",
];

#[cfg(test)]
mod tests {
    use super::*;

    // Captured from git 2.47.3 with libcurl 8.14.1, and 2.39.5.
    #[test]
    fn git_words_tell_whose_trouble_it_is() {
        for (words, problem) in [
            (
                "fatal: unable to access 'http://h/a/b.git/': The requested URL returned error: 503",
                RemoteProblem::Away,
            ),
            (
                "fatal: unable to access 'http://h/a/b.git/': The requested URL returned error: 429",
                RemoteProblem::Away,
            ),
            (
                "remote: Permission to a/b.git denied to x.\nfatal: unable to access 'http://h/a/b.git/': The requested URL returned error: 403",
                RemoteProblem::Denied,
            ),
            (
                "error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502\nsend-pack: unexpected disconnect while reading sideband packet\nfatal: the remote end hung up unexpectedly",
                RemoteProblem::Away,
            ),
            (
                "remote: Invalid username or token.\nfatal: Authentication failed for 'http://h/a/b.git/'",
                RemoteProblem::BadToken,
            ),
            (
                "remote: Repository not found.\nfatal: repository 'http://h/a/b.git/' not found",
                RemoteProblem::NotFound,
            ),
            (
                "fatal: unable to access 'http://127.0.0.1:1/': Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server",
                RemoteProblem::Away,
            ),
            (
                "fatal: unable to access 'https://h/': Could not resolve host: h",
                RemoteProblem::Away,
            ),
            (
                "fatal: unable to access 'http://h/': Empty reply from server",
                RemoteProblem::Away,
            ),
            (
                "error: RPC failed; curl 52 Empty reply from server\nfatal: expected flush after ref listing",
                RemoteProblem::Away,
            ),
            (
                "fatal: could not read Password for 'http://x@h': terminal prompts disabled",
                RemoteProblem::BadToken,
            ),
            (
                "error: remote unpack failed: index-pack abnormal exit",
                RemoteProblem::Other,
            ),
        ] {
            assert_eq!(RemoteProblem::of(words), problem, "{words}");
        }
    }
}
