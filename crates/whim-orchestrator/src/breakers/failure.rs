//! Which breakers a failure counts against, and when it opens them.

use std::time::Duration;

use whim_core::protocol::status::BreakerSubject;
use whim_core::{FailureCause, RepoName, WorkItemId, WorkerId};

use crate::db::breakers::Counted;

/// Crashes of one item are the item's. So many different ones are the repository's.
const ITEMS_OF_A_REPOSITORY: usize = 2;
/// Failures to reach one repository are that repository's. So many different ones are GitHub's.
const REPOSITORIES_OF_GITHUB: usize = 2;

/// A failed attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure<'a> {
    pub(crate) cause: FailureCause,
    pub(crate) reason: &'a str,
    /// Time until the reset, as reported by the service that failed.
    pub(crate) retry_after: Option<Duration>,
    /// Whether the worker ended before it registered.
    pub(crate) before_registration: bool,
    pub(crate) item: WorkItemId,
    /// `None` for a failure without a worker.
    pub(crate) worker: Option<WorkerId>,
    pub(crate) repo: &'a RepoName,
    /// The orchestrator instance that started the worker.
    pub(crate) instance: &'a str,
    /// The credential of the model API that was used.
    pub(crate) credential: &'a str,
}

/// The key of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) subject: BreakerSubject,
    pub(super) name: &'a str,
}

impl<'a> Failure<'a> {
    /// The breakers that it counts against, in the order in which their rows are locked.
    pub(super) fn targets(&self, repository: &'a str) -> Vec<Target<'a>> {
        let model = Target {
            subject: BreakerSubject::Model,
            name: self.credential,
        };
        let github = Target {
            subject: BreakerSubject::GitHub,
            name: "",
        };
        let runtime = Target {
            subject: BreakerSubject::Runtime,
            name: self.instance,
        };
        let repository = Target {
            subject: BreakerSubject::Repository,
            name: repository,
        };
        match self.cause {
            FailureCause::ModelUnavailable | FailureCause::ModelLimited | FailureCause::ModelRefused => {
                vec![model]
            }
            // Without a reset time it may be GitHub or this repository.
            FailureCause::GitHubUnavailable if self.retry_after.is_none() => vec![github, repository],
            FailureCause::GitHubUnavailable | FailureCause::GitHubRefused => vec![github],
            FailureCause::RuntimeUnavailable | FailureCause::DiskFull => vec![runtime],
            FailureCause::Crash | FailureCause::Lost | FailureCause::Resources
                if self.before_registration =>
            {
                vec![runtime]
            }
            FailureCause::Crash
            | FailureCause::Lost
            | FailureCause::Resources
            | FailureCause::ImageUnavailable
            | FailureCause::RegistryUnavailable => vec![repository],
            FailureCause::Stuck
            | FailureCause::TestsFailed
            | FailureCause::IterationsUsedUp
            | FailureCause::PushRefused
            | FailureCause::PullRequestRefused
            | FailureCause::WorkspaceUnusable
            | FailureCause::RepositoryDamaged
            | FailureCause::CloneTimedOut
            | FailureCause::ToolMissing
            | FailureCause::SpecUnusable
            | FailureCause::Killed
            | FailureCause::BranchMoved => vec![],
        }
    }

    /// Whether it opens a closed breaker.
    pub(super) fn opens(&self, subject: BreakerSubject, counted: Counted, threshold: u32) -> bool {
        let enough_sources = match subject {
            BreakerSubject::Model | BreakerSubject::Runtime => true,
            BreakerSubject::GitHub => counted.repositories >= REPOSITORIES_OF_GITHUB,
            BreakerSubject::Repository => counted.items >= ITEMS_OF_A_REPOSITORY,
        };
        self.is_conclusive() || (counted.failures >= threshold && enough_sources)
    }

    /// Whether every other item of the subject would fail too.
    fn is_conclusive(&self) -> bool {
        match self.cause {
            FailureCause::ModelUnavailable
            | FailureCause::ModelLimited
            | FailureCause::ModelRefused
            | FailureCause::GitHubRefused
            | FailureCause::RuntimeUnavailable
            | FailureCause::ImageUnavailable
            | FailureCause::RegistryUnavailable
            | FailureCause::DiskFull => true,
            // A rate limit of the token, reported by GitHub's API.
            FailureCause::GitHubUnavailable => self.retry_after.is_some(),
            FailureCause::Crash
            | FailureCause::Lost
            | FailureCause::Resources
            | FailureCause::Stuck
            | FailureCause::TestsFailed
            | FailureCause::IterationsUsedUp
            | FailureCause::PushRefused
            | FailureCause::PullRequestRefused
            | FailureCause::WorkspaceUnusable
            | FailureCause::RepositoryDamaged
            | FailureCause::CloneTimedOut
            | FailureCause::ToolMissing
            | FailureCause::SpecUnusable
            | FailureCause::Killed
            | FailureCause::BranchMoved => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLD: u32 = 3;

    #[test]
    fn a_failure_opens_a_shared_breaker_only_with_evidence_from_several_sources() {
        let repo = RepoName::parse("octocat/hello").unwrap();
        let failure = |cause, retry_after| Failure {
            cause,
            reason: "it broke",
            retry_after,
            before_registration: false,
            item: WorkItemId::new(),
            worker: None,
            repo: &repo,
            instance: "here",
            credential: "ANTHROPIC_API_KEY",
        };
        let counted = |failures, items, repositories| Counted {
            failures,
            items,
            repositories,
            open: false,
        };
        let reset = Some(Duration::from_secs(60));
        let (github, repository) = (BreakerSubject::GitHub, BreakerSubject::Repository);
        let unavailable = FailureCause::GitHubUnavailable;
        for (cause, retry_after, subject, counted, opens) in [
            (unavailable, None, github, counted(9, 9, 1), false),
            (unavailable, None, github, counted(2, 2, 2), false),
            (unavailable, None, github, counted(3, 1, 2), true),
            (unavailable, reset, github, counted(1, 1, 1), true),
            (FailureCause::GitHubRefused, None, github, counted(1, 1, 1), true),
            (unavailable, None, repository, counted(9, 1, 1), false),
            (unavailable, None, repository, counted(3, 2, 1), true),
            (FailureCause::Crash, None, repository, counted(9, 1, 1), false),
            (FailureCause::Crash, None, repository, counted(3, 2, 1), true),
            (
                FailureCause::ImageUnavailable,
                None,
                repository,
                counted(1, 1, 1),
                true,
            ),
            (
                FailureCause::RegistryUnavailable,
                None,
                repository,
                counted(1, 1, 1),
                true,
            ),
        ] {
            let failure = failure(cause, retry_after);
            assert_eq!(
                failure.opens(subject, counted, THRESHOLD),
                opens,
                "{cause} {retry_after:?} {subject:?} {counted:?}"
            );
        }
    }
}
