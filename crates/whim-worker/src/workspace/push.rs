//! Pushes the branch to GitHub.

use whim_core::{CommitHash, FailureCause};
use whim_service::chain::chain;

use super::branch::{RemoteRefs, reference};
use super::handle::Workspace;
use super::secret_scan::{self, FoundSecret};
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
    #[error("GITHUB_TOKEN may not push: it needs read and write access to the contents of the repository")]
    NoPermission(#[source] RemoteError),
    #[error("GitHub rejected the push")]
    Rejected(#[source] RemoteError),
    #[error("GitHub refused the push for what the commits contain")]
    ContentRefused(#[source] RemoteError),
    #[error("the branch was changed on GitHub by someone else during the attempt")]
    Diverged,
    #[error("the commits contain {0}, so they were not pushed")]
    ContainsSecret(FoundSecret),
    #[error("pushing")]
    Machine(#[source] RemoteError),
    #[error("preparing the push")]
    Git(#[from] GitError),
}

impl PushError {
    pub fn cause(&self) -> FailureCause {
        match self {
            Self::Unavailable(_) => FailureCause::GitHubUnavailable,
            Self::InvalidToken(_) => FailureCause::GitHubRefused,
            Self::NoPermission(_) | Self::Rejected(_) | Self::ContentRefused(_) | Self::ContainsSecret(_) => {
                FailureCause::PushRefused
            }
            // The next attempt resumes from the changed branch.
            Self::Diverged => FailureCause::BranchMoved,
            Self::Machine(_) | Self::Git(_) => FailureCause::Crash,
        }
    }

    /// Whether other commits of the agent could be pushed.
    pub fn is_for_the_agent(&self) -> bool {
        matches!(self, Self::ContentRefused(_) | Self::ContainsSecret(_))
    }
}

impl From<PushError> for Failure {
    fn from(error: PushError) -> Self {
        let reason = chain(&error).to_string();
        if matches!(error, PushError::Machine(_) | PushError::Git(_)) {
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
            | Self::NoPermission(_)
            | Self::Rejected(_)
            | Self::ContentRefused(_)
            | Self::Machine(_)
            | Self::Diverged
            | Self::ContainsSecret(_)
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
        if let Some(found) = secret_scan::find_secret(self, head).await? {
            return Err(PushError::ContainsSecret(found));
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
        if found.as_ref() == self.expected_head() {
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
        let known = self.expected_head().map_or("", CommitHash::as_str);
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

    /// Where the branch on GitHub must be, so that a push replaces it; `None` if it must not exist.
    fn expected_head(&self) -> Option<&CommitHash> {
        self.remote_head.as_ref().or(self.replaced.as_ref())
    }

    async fn record_pushed(&mut self, head: &CommitHash) -> Result<(), PushError> {
        self.remote_head = Some(head.clone());
        self.replaced = None;
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
            // A push is small: if it takes long, the connection is at fault.
            RemoteErrorKind::Unavailable | RemoteErrorKind::TimedOut => Self::Unavailable(error),
            RemoteErrorKind::InvalidToken => Self::InvalidToken(error),
            RemoteErrorKind::ContentRefused => Self::ContentRefused(error),
            RemoteErrorKind::Machine => Self::Machine(error),
            RemoteErrorKind::Denied => Self::NoPermission(error),
            RemoteErrorKind::NotFound
            | RemoteErrorKind::Damaged
            | RemoteErrorKind::RuleRefused
            | RemoteErrorKind::Other => Self::Rejected(error),
        }
    }
}
