//! Classifies failures of git commands that access GitHub.

use std::sync::LazyLock;

use regex::Regex;

use super::error::GitError;
use crate::retry::{Retry, Retryable};

/// A git command that accesses GitHub failed.
#[derive(Debug, thiserror::Error)]
#[error("accessing the repository on GitHub")]
pub struct RemoteError {
    pub kind: RemoteErrorKind,
    #[source]
    pub source: GitError,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteErrorKind {
    /// GitHub is unavailable, or limits the rate of requests.
    Unavailable,
    /// The token is invalid: revoked or expired.
    InvalidToken,
    /// The token lacks a permission.
    Denied,
    /// The repository does not exist, or is not visible to the token.
    NotFound,
    Other,
}

impl From<GitError> for RemoteError {
    fn from(source: GitError) -> Self {
        let kind = match &source {
            GitError::Failed { message, .. } => RemoteErrorKind::of(message),
            GitError::TimedOut { .. } => RemoteErrorKind::Unavailable,
            GitError::Run { .. } | GitError::Output { .. } => RemoteErrorKind::Other,
        };
        Self { kind, source }
    }
}

impl Retryable for RemoteError {
    fn retry(&self) -> Retry {
        match self.kind {
            RemoteErrorKind::Unavailable => Retry::Backoff,
            RemoteErrorKind::InvalidToken
            | RemoteErrorKind::Denied
            | RemoteErrorKind::NotFound
            | RemoteErrorKind::Other => Retry::Never,
        }
    }
}

static STATUS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:returned error: |HTTP )(\d{3})\b").ok());

impl RemoteErrorKind {
    /// Git uses one exit code for all of these, so its messages (with `LC_ALL=C`) are matched.
    fn of(message: &str) -> Self {
        let status = STATUS
            .as_ref()
            .and_then(|pattern| pattern.captures(message))
            .and_then(|found| found[1].parse::<u16>().ok());
        match status {
            Some(401) => return Self::InvalidToken,
            Some(403) => return Self::Denied,
            Some(404) => return Self::NotFound,
            Some(429 | 500..=599) => return Self::Unavailable,
            Some(_) | None => {}
        }
        let says = |any: &[&str]| any.iter().any(|part| message.contains(part));
        if says(&[
            "Authentication failed",
            "could not read Password",
            "could not read Username",
        ]) {
            // Git prompts after a 401, which means that it already sent the token.
            Self::InvalidToken
        } else if says(&["not found"]) {
            Self::NotFound
        } else if says(&CONNECTION_ERRORS) {
            Self::Unavailable
        } else {
            Self::Other
        }
    }
}

/// Messages of libcurl and git.
const CONNECTION_ERRORS: [&str; 16] = [
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
    fn messages_of_git_are_classified() {
        for (message, kind) in [
            (
                "fatal: unable to access 'http://h/a/b.git/': The requested URL returned error: 503",
                RemoteErrorKind::Unavailable,
            ),
            (
                "fatal: unable to access 'http://h/a/b.git/': The requested URL returned error: 429",
                RemoteErrorKind::Unavailable,
            ),
            (
                "remote: Permission to a/b.git denied to x.\nfatal: unable to access 'http://h/a/b.git/': The requested URL returned error: 403",
                RemoteErrorKind::Denied,
            ),
            (
                "error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502\nsend-pack: unexpected disconnect while reading sideband packet\nfatal: the remote end hung up unexpectedly",
                RemoteErrorKind::Unavailable,
            ),
            (
                "remote: Invalid username or token.\nfatal: Authentication failed for 'http://h/a/b.git/'",
                RemoteErrorKind::InvalidToken,
            ),
            (
                "remote: Repository not found.\nfatal: repository 'http://h/a/b.git/' not found",
                RemoteErrorKind::NotFound,
            ),
            (
                "fatal: unable to access 'http://127.0.0.1:1/': Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server",
                RemoteErrorKind::Unavailable,
            ),
            (
                "fatal: unable to access 'https://h/': Could not resolve host: h",
                RemoteErrorKind::Unavailable,
            ),
            (
                "fatal: unable to access 'http://h/': Empty reply from server",
                RemoteErrorKind::Unavailable,
            ),
            (
                "error: RPC failed; curl 52 Empty reply from server\nfatal: expected flush after ref listing",
                RemoteErrorKind::Unavailable,
            ),
            (
                "fatal: could not read Password for 'http://x@h': terminal prompts disabled",
                RemoteErrorKind::InvalidToken,
            ),
            (
                "error: remote unpack failed: index-pack abnormal exit",
                RemoteErrorKind::Other,
            ),
        ] {
            assert_eq!(RemoteErrorKind::of(message), kind, "{message}");
        }
    }
}
