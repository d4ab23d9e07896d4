//! The pull request: found by its head branch, or opened. Never opens a second one.

mod api;
mod body;
mod sanitize;

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use whim_core::protocol::worker::Assignment;
use whim_core::{BranchName, FailureCause, IssueNumber, RepoName};
use whim_service::chain::chain;

pub use self::api::{Api, ApiError};
pub use self::body::{PullRequestSummary, body, title};
use crate::outcome::Failure;
use crate::retry::{Retry, Retryable, retry_until_deadline};

/// An open pull request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PullRequest {
    pub number: IssueNumber,
    pub html_url: String,
}

/// The content of a new pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposal {
    pub title: String,
    /// Markdown.
    pub body: String,
    pub head: BranchName,
    pub base: BranchName,
}

/// Finds the pull request of the branch, or opens it.
///
/// Each try searches first, because an unanswered request or an earlier attempt may have opened it already.
///
/// # Errors
/// GitHub refuses, or is unavailable for longer than `retry_timeout`.
pub async fn find_or_open(
    api: &Api,
    repo: &RepoName,
    proposal: &Proposal,
    retry_timeout: Duration,
) -> Result<PullRequest, Failure> {
    retry_until_deadline("opening the pull request", retry_timeout, async || {
        if let Some(found) = find(api, repo, proposal).await? {
            tracing::info!(number = found.number, "the pull request is open already");
            return Ok(found);
        }
        let error = match api.post(&format!("/repos/{repo}/pulls"), proposal).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        // It may exist in spite of the error: opened concurrently (GitHub answers 422), or the answer was lost.
        match find(api, repo, proposal).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(error),
            Err(search_error) => Err(search_error),
        }
    })
    .await
    .map_err(Failure::from)
}

async fn find(api: &Api, repo: &RepoName, proposal: &Proposal) -> Result<Option<PullRequest>, ApiError> {
    let head = format!("{}:{}", repo.owner(), proposal.head);
    // With any base, because a branch must not have two pull requests.
    let query = [("state", "open"), ("head", head.as_str())];
    let found: Vec<PullRequest> = api.get(&format!("/repos/{repo}/pulls"), &query).await?;
    Ok(found.into_iter().next())
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let cause = match &error {
            ApiError::Unavailable { .. } | ApiError::Unreachable { .. } => FailureCause::GitHubUnavailable,
            ApiError::Refused {
                status: StatusCode::UNAUTHORIZED,
                ..
            } => FailureCause::GitHubRefused,
            ApiError::Refused { .. } | ApiError::InvalidResponse { .. } => FailureCause::PullRequestRefused,
        };
        let retry_after = match error.retry() {
            Retry::After(wait) => Some(wait),
            Retry::Backoff | Retry::Never => None,
        };
        Self::Failed {
            cause,
            reason: format!("the pull request could not be opened: {}", chain(&error)),
            retry_after,
            tests: None,
        }
    }
}

/// The pull request of a work item.
pub fn propose(assignment: &Assignment, base: &BranchName, result: &PullRequestSummary<'_>) -> Proposal {
    Proposal {
        title: title(assignment, result),
        body: body(assignment, result),
        head: assignment.branch.clone(),
        base: base.clone(),
    }
}
