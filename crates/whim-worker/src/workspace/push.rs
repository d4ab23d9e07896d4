//! The way to GitHub.

use whim_core::{CommitHash, FailureCause};
use whim_service::chain::chain;

use super::branch::{RemoteRefs, reference};
use super::{Workspace, leak};
use crate::git::{GitError, RemoteError, RemoteProblem};
use crate::outcome::Failure;
use crate::patience::{Retry, Temporary};

/// The branch could not be pushed.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// GitHub is not available; what was to be pushed may or may not have arrived.
    #[error("GitHub is not available")]
    Away(#[source] RemoteError),
    /// GitHub does not accept the token any more.
    #[error("GitHub refuses the token")]
    BadToken(#[source] RemoteError),
    /// GitHub does not let Whim push.
    #[error("GitHub refuses the push")]
    Refused(#[source] RemoteError),
    /// Somebody else pushed to the branch.
    #[error("somebody else pushed to the branch while it was worked on")]
    Moved,
    /// A credential of Whim's is in the commits.
    #[error("the commits contain one of Whim's own credentials, so they were not pushed")]
    Leak,
    /// Git on this machine failed.
    #[error("preparing the push")]
    Git(#[from] GitError),
}

impl PushError {
    /// What the attempt failed for, if it fails for this.
    pub fn cause(&self) -> FailureCause {
        match self {
            Self::Away(_) => FailureCause::GitHubUnavailable,
            Self::BadToken(_) => FailureCause::GitHubRefused,
            Self::Refused(_) | Self::Leak => FailureCause::PushRefused,
            // Another attempt resumes from what is there now.
            Self::Moved => FailureCause::BranchMoved,
            Self::Git(_) => FailureCause::Crash,
        }
    }
}

impl From<PushError> for Failure {
    fn from(error: PushError) -> Self {
        let words = chain(&error).to_string();
        if matches!(error, PushError::Git(_)) {
            Self::of_machine(words)
        } else {
            Self::new(error.cause(), words)
        }
    }
}

impl Temporary for PushError {
    fn retry(&self) -> Retry {
        match self {
            Self::Away(_) => Retry::Soon,
            Self::BadToken(_) | Self::Refused(_) | Self::Moved | Self::Leak | Self::Git(_) => {
                Retry::Pointless
            }
        }
    }
}

/// Whether the push is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intent {
    /// Only to learn whether it would be let in.
    Try,
    Push,
}

impl Workspace {
    /// Asks GitHub whether it would take a push to the branch.
    ///
    /// # Errors
    /// It would not, or is not available.
    pub async fn try_push(&self) -> Result<(), PushError> {
        self.send(&self.anchor, Intent::Try)
            .await
            .map_err(PushError::from)
    }

    /// Brings the branch on GitHub to `head`, which was imported. Replaces nothing but what this worker itself pushed:
    /// `head` leads back to where the attempt began, and the push is refused unless GitHub has what is known here.
    ///
    /// # Errors
    /// See [`PushError`]. After [`PushError::Away`] it may be tried again.
    pub async fn push(&mut self, head: &CommitHash) -> Result<(), PushError> {
        if leak::is_in_commits(self, head).await? {
            return Err(PushError::Leak);
        }
        let mut error = match self.send(head, Intent::Push).await {
            Ok(()) => return self.arrived(head).await,
            Err(error) => error,
        };
        // Whatever git said: what GitHub has now tells what became of the push.
        let Ok(found) = self.ask_for_head().await else {
            self.unanswered.push(head.clone());
            return Err(error.into());
        };
        if found.as_ref() == Some(head) {
            return self.arrived(head).await;
        }
        if found == self.remote_head {
            return Err(error.into());
        }
        match found {
            // A push before this one, whose answer was lost.
            Some(earlier) if self.unanswered.contains(&earlier) => self.remote_head = Some(earlier),
            Some(_) | None => return Err(PushError::Moved),
        }
        error = match self.send(head, Intent::Push).await {
            Ok(()) => return self.arrived(head).await,
            Err(error) => error,
        };
        self.unanswered.push(head.clone());
        Err(error.into())
    }

    async fn send(&self, head: &CommitHash, intent: Intent) -> Result<(), RemoteError> {
        let target = reference(&self.branch);
        let known = self.remote_head.as_ref().map_or("", CommitHash::as_str);
        let lease = format!("--force-with-lease={target}:{known}");
        let refspec = format!("{head}:{target}");
        let intent = match intent {
            Intent::Try => "--dry-run",
            Intent::Push => "--no-dry-run",
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
                    &intent,
                    &lease,
                    &"--",
                    &self.git.url(),
                    &refspec,
                ],
            )
            .await
            .map(drop)
    }

    async fn arrived(&mut self, head: &CommitHash) -> Result<(), PushError> {
        self.remote_head = Some(head.clone());
        self.unanswered.clear();
        let target = reference(&self.branch);
        self.git
            .local(&self.layout.mirror, &[&"update-ref", &target, &head.as_str()])
            .await?;
        Ok(())
    }

    /// What the branch is on GitHub now.
    async fn ask_for_head(&self) -> Result<Option<CommitHash>, RemoteError> {
        let target = reference(&self.branch);
        let output = self
            .git
            .remote(
                &self.layout.mirror,
                &[&"ls-remote", &"--", &self.git.url(), &target],
            )
            .await
            .inspect_err(|error| {
                tracing::warn!(error = %chain(error), "what became of a push cannot be found out");
            })?;
        Ok(RemoteRefs::parse(&output).head_of(&self.branch).cloned())
    }
}

impl From<RemoteError> for PushError {
    fn from(error: RemoteError) -> Self {
        match error.problem {
            RemoteProblem::Away => Self::Away(error),
            RemoteProblem::BadToken => Self::BadToken(error),
            RemoteProblem::Denied | RemoteProblem::NotFound | RemoteProblem::Other => Self::Refused(error),
        }
    }
}
