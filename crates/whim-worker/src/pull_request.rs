//! The one pull request: found again by its head, or opened; never two.

mod api;
mod body;
mod neutral;

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use whim_core::protocol::worker::Assignment;
use whim_core::{BranchName, FailureCause, IssueNumber, RepoName};
use whim_service::chain::chain;

pub use self::api::{Api, ApiError};
pub use self::body::{Story, body, title};
use crate::outcome::Failure;
use crate::patience::{Retry, Temporary, patiently};

/// A pull request that is open.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PullRequest {
    /// Its number.
    pub number: IssueNumber,
    /// Its page.
    pub html_url: String,
}

/// What is to be proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// The title.
    pub title: String,
    /// The text, as Markdown.
    pub body: String,
    /// The branch to take.
    pub head: BranchName,
    /// The branch to put it into.
    pub base: BranchName,
}

/// Finds the pull request of the branch, or opens it.
///
/// Every attempt looks first: an answer that was lost, or an earlier attempt at the item, may have opened one already.
///
/// # Errors
/// GitHub refuses, or is away for longer than `patience`.
pub async fn find_or_open(
    api: &Api,
    repo: &RepoName,
    proposal: &Proposal,
    patience: Duration,
) -> Result<PullRequest, Failure> {
    patiently("opening the pull request", patience, async || {
        if let Some(found) = find(api, repo, proposal).await? {
            tracing::info!(number = found.number, "the pull request is open already");
            return Ok(found);
        }
        let error = match api.post(&format!("/repos/{repo}/pulls"), proposal).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        // Somebody was faster (GitHub answers 422 then), or it was opened although the answer says otherwise.
        match find(api, repo, proposal).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(error),
            Err(trouble) => Err(trouble),
        }
    })
    .await
    .map_err(Failure::from)
}

async fn find(api: &Api, repo: &RepoName, proposal: &Proposal) -> Result<Option<PullRequest>, ApiError> {
    let head = format!("{}:{}", repo.owner(), proposal.head);
    // Whatever it goes into: two pull requests of one branch are one too many.
    let query = [("state", "open"), ("head", head.as_str())];
    let found: Vec<PullRequest> = api.get(&format!("/repos/{repo}/pulls"), &query).await?;
    Ok(found.into_iter().next())
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let cause = match &error {
            ApiError::Away { .. } | ApiError::Unreachable { .. } => FailureCause::GitHubUnavailable,
            ApiError::Refused {
                status: StatusCode::UNAUTHORIZED,
                ..
            } => FailureCause::GitHubRefused,
            ApiError::Refused { .. } | ApiError::Misfit { .. } => FailureCause::PullRequestRefused,
        };
        let retry_after = match error.retry() {
            Retry::After(wait) => Some(wait),
            Retry::Soon | Retry::Pointless => None,
        };
        Self::Failed {
            cause,
            reason: format!("the pull request could not be opened: {}", chain(&error)),
            retry_after,
            tests: None,
        }
    }
}

/// What the pull request of an item says.
pub fn propose(assignment: &Assignment, base: &BranchName, story: &Story<'_>) -> Proposal {
    Proposal {
        title: title(assignment, story),
        body: body(assignment, story),
        head: assignment.branch.clone(),
        base: base.clone(),
    }
}
