//! Pushes the branch to GitHub.

use whim_core::{CommitHash, FailureCause};
use whim_service::chain::chain;

use super::branch::{RemoteRefs, reference};
use super::handle::Workspace;
use super::secret_scan;
use crate::git::{GitError, RemoteError, RemoteErrorKind};
use crate::outcome::Failure;
use crate::retry::{Retry, Retryable};

#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The push may or may not have arrived.
    #[error("GitHub is unavailable")]
    Unavailable(#[source] RemoteError),
    #[error("GitHub rejected the token")]
    InvalidToken(#[source] RemoteError),
    #[error("GitHub rejected the push")]
    Rejected(#[source] RemoteError),
    #[error("the branch was changed on GitHub by someone else during the attempt")]
    Diverged,
    #[error("the commits contain one of Whim's own credentials, so they were not pushed")]
    ContainsSecret,
    #[error("preparing the push")]
    Git(#[from] GitError),
}

impl PushError {
    pub fn cause(&self) -> FailureCause {
        match self {
            Self::Unavailable(_) => FailureCause::GitHubUnavailable,
            Self::InvalidToken(_) => FailureCause::GitHubRefused,
            Self::Rejected(_) | Self::ContainsSecret => FailureCause::PushRefused,
            // The next attempt resumes from the changed branch.
            Self::Diverged | Self::Git(_) => FailureCause::Crash,
        }
    }
}

impl From<PushError> for Failure {
    fn from(error: PushError) -> Self {
        let reason = chain(&error).to_string();
        if matches!(error, PushError::Git(_)) {
            Self::of_machine(reason)
        } else {
            Self::new(error.cause(), reason)
        }
    }
}

impl Retryable for PushError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unavailable(_) => Retry::Backoff,
            Self::InvalidToken(_)
            | Self::Rejected(_)
            | Self::Diverged
            | Self::ContainsSecret
            | Self::Git(_) => Retry::Never,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    DryRun,
    Push,
}

impl Workspace {
    /// Checks with a dry run that the branch can be pushed.
    ///
    /// # Errors
    /// GitHub would reject the push, or is unavailable.
    pub async fn check_push(&self) -> Result<(), PushError> {
        self.send(&self.anchor, Mode::DryRun)
            .await
            .map_err(PushError::from)
    }

    /// Pushes `head`, which must be imported. Only commits pushed by this worker are ever replaced: `head` descends from
    /// the start of the attempt, and `--force-with-lease` rejects the push unless the branch is at its last known head.
    ///
    /// # Errors
    /// See [`PushError`]. [`PushError::Unavailable`] may be retried.
    pub async fn push(&mut self, head: &CommitHash) -> Result<(), PushError> {
        if secret_scan::commits_contain_secret(self, head).await? {
            return Err(PushError::ContainsSecret);
        }
        let mut error = match self.send(head, Mode::Push).await {
            Ok(()) => return self.record_pushed(head).await,
            Err(error) => error,
        };
        // Whatever the error was, the remote head shows whether the push arrived.
        let Ok(found) = self.fetch_remote_head().await else {
            self.unanswered.push(head.clone());
            return Err(error.into());
        };
        if found.as_ref() == Some(head) {
            return self.record_pushed(head).await;
        }
        if found == self.remote_head {
            return Err(error.into());
        }
        match found {
            // An earlier push arrived although its answer was lost.
            Some(earlier) if self.unanswered.contains(&earlier) => self.remote_head = Some(earlier),
            Some(_) | None => return Err(PushError::Diverged),
        }
        error = match self.send(head, Mode::Push).await {
            Ok(()) => return self.record_pushed(head).await,
            Err(error) => error,
        };
        self.unanswered.push(head.clone());
        Err(error.into())
    }

    async fn send(&self, head: &CommitHash, mode: Mode) -> Result<(), RemoteError> {
        let target = reference(&self.branch);
        let known = self.remote_head.as_ref().map_or("", CommitHash::as_str);
        let lease = format!("--force-with-lease={target}:{known}");
        let refspec = format!("{head}:{target}");
        let mode = match mode {
            Mode::DryRun => "--dry-run",
            Mode::Push => "--no-dry-run",
        };
        self.git
            .remote(
                &self.layout.mirror,
                &[
                    &"push",
                    &"--porcelain",
                    &"--no-verify",
                    &"--no-follow-tags",
                    &"--recurse-submodules=no",
                    &mode,
                    &lease,
                    &"--",
                    &self.git.url(),
                    &refspec,
                ],
            )
            .await
            .map(drop)
    }

    async fn record_pushed(&mut self, head: &CommitHash) -> Result<(), PushError> {
        self.remote_head = Some(head.clone());
        self.unanswered.clear();
        let target = reference(&self.branch);
        self.git
            .local(&self.layout.mirror, &[&"update-ref", &target, &head.as_str()])
            .await?;
        Ok(())
    }

    async fn fetch_remote_head(&self) -> Result<Option<CommitHash>, RemoteError> {
        let target = reference(&self.branch);
        let output = self
            .git
            .remote(
                &self.layout.mirror,
                &[&"ls-remote", &"--", &self.git.url(), &target],
            )
            .await
            .inspect_err(|error| {
                tracing::warn!(error = %chain(error), "failed to check whether a push arrived");
            })?;
        Ok(RemoteRefs::parse(&output).head_of(&self.branch).cloned())
    }
}

impl From<RemoteError> for PushError {
    fn from(error: RemoteError) -> Self {
        match error.kind {
            RemoteErrorKind::Unavailable => Self::Unavailable(error),
            RemoteErrorKind::InvalidToken => Self::InvalidToken(error),
            RemoteErrorKind::Denied | RemoteErrorKind::NotFound | RemoteErrorKind::Other => {
                Self::Rejected(error)
            }
        }
    }
}
