//! The failure of a git command that accesses GitHub.

use super::error::GitError;
use super::remote_kind::classify;
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
    /// GitHub or the network to it is unavailable, or GitHub limits the rate of requests.
    Unavailable,
    /// The command took longer than it may: the repository is too large for the connection.
    TimedOut,
    /// The token is invalid: revoked or expired.
    InvalidToken,
    /// The token lacks a permission.
    Denied,
    /// The repository does not exist, or is not visible to the token.
    NotFound,
    /// GitHub cannot read objects of the repository.
    Damaged,
    /// GitHub refuses the push for what the commits contain.
    ContentRefused,
    /// A rule of the repository refuses every push of this kind to the branch.
    RuleRefused,
    /// This machine failed: a full disk, or a program that was killed.
    Machine,
    /// GitHub refuses for another reason, or the repository is harmful.
    Other,
}

impl From<GitError> for RemoteError {
    fn from(source: GitError) -> Self {
        let kind = match &source {
            GitError::Failed { exit_code: None, .. } | GitError::Run { .. } => RemoteErrorKind::Machine,
            GitError::Failed { message, .. } => classify(message),
            GitError::TimedOut { .. } => RemoteErrorKind::TimedOut,
            GitError::Output { .. } => RemoteErrorKind::Other,
        };
        Self { kind, source }
    }
}

impl Retryable for RemoteError {
    fn retry(&self) -> Retry {
        match self.kind {
            RemoteErrorKind::Unavailable => Retry::Backoff,
            RemoteErrorKind::TimedOut
            | RemoteErrorKind::InvalidToken
            | RemoteErrorKind::Denied
            | RemoteErrorKind::NotFound
            | RemoteErrorKind::Damaged
            | RemoteErrorKind::ContentRefused
            | RemoteErrorKind::RuleRefused
            | RemoteErrorKind::Machine
            | RemoteErrorKind::Other => Retry::Never,
        }
    }
}
