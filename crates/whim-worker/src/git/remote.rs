//! The failure of a git command that accesses GitHub.

use super::error::GitError;
use super::remote_kind::{RemoteErrorKind, classify};
use crate::retry::{Retry, Retryable};

/// A git command that accesses GitHub failed.
#[derive(Debug, thiserror::Error)]
#[error("accessing the repository on GitHub")]
pub struct RemoteError {
    pub kind: RemoteErrorKind,
    #[source]
    pub source: GitError,
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
