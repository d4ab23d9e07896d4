//! Why no workspace could be created, and the failure of the attempt that it is.

use std::io;

use whim_core::FailureCause;
use whim_service::chain::chain;

use super::branch::InvalidStart;
use super::push::PushError;
use crate::git::{GitError, RemoteError, RemoteErrorKind};
use crate::outcome::{Failure, is_disk_full};

#[derive(Debug, thiserror::Error)]
pub(super) enum PrepareError {
    #[error("the repository cannot be read")]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    InvalidStart(#[from] InvalidStart),
    #[error("the branch cannot be pushed")]
    Push(#[from] PushError),
    #[error("creating the workspace")]
    Git(#[from] GitError),
    #[error("creating the workspace")]
    Io(#[from] io::Error),
    #[error("git printed an invalid commit hash")]
    Hash(#[from] whim_core::InvalidName),
    #[error("the branch cannot be chosen")]
    Failed(Failure),
    #[error("the checklist cannot be written to {path}")]
    Spec { path: String, source: io::Error },
}

/// What to do, where the error does not say so.
fn advice(error: &PrepareError) -> Option<&'static str> {
    let PrepareError::Remote(RemoteError { kind, .. }) = error else {
        return None;
    };
    match kind {
        RemoteErrorKind::TimedOut => Some("if the repository is that large, raise GIT_TIMEOUT_SECONDS"),
        RemoteErrorKind::Damaged => {
            Some("GitHub cannot read the repository: clone it by hand, and ask GitHub if that fails too")
        }
        RemoteErrorKind::Denied | RemoteErrorKind::NotFound => {
            Some("GITHUB_TOKEN needs access to the contents of the repository")
        }
        RemoteErrorKind::Unavailable
        | RemoteErrorKind::InvalidToken
        | RemoteErrorKind::ContentRefused
        | RemoteErrorKind::RuleRefused
        | RemoteErrorKind::Machine
        | RemoteErrorKind::Other => None,
    }
}

impl From<PrepareError> for Failure {
    fn from(error: PrepareError) -> Self {
        if let PrepareError::Failed(failure) = error {
            return failure;
        }
        let mut reason = chain(&error).to_string();
        if let Some(advice) = advice(&error) {
            reason = format!("{reason}; {advice}");
        }
        let cause = match &error {
            _ if is_disk_full(&reason) => FailureCause::DiskFull,
            PrepareError::Remote(RemoteError { kind, .. }) => match kind {
                RemoteErrorKind::Unavailable => FailureCause::GitHubUnavailable,
                RemoteErrorKind::TimedOut => FailureCause::CloneTimedOut,
                RemoteErrorKind::Damaged => FailureCause::RepositoryDamaged,
                RemoteErrorKind::InvalidToken => FailureCause::GitHubRefused,
                RemoteErrorKind::Machine => FailureCause::Crash,
                RemoteErrorKind::Denied
                | RemoteErrorKind::NotFound
                | RemoteErrorKind::ContentRefused
                | RemoteErrorKind::RuleRefused
                | RemoteErrorKind::Other => FailureCause::WorkspaceUnusable,
            },
            PrepareError::InvalidStart(_) | PrepareError::Spec { .. } => FailureCause::WorkspaceUnusable,
            PrepareError::Push(error) => error.cause(),
            PrepareError::Git(_) | PrepareError::Io(_) | PrepareError::Hash(_) | PrepareError::Failed(_) => {
                FailureCause::Crash
            }
        };
        Self::new(cause, reason)
    }
}
