//! The pull request: found by its head branch and brought up to date, or opened. Never opens a second one.

mod api;
mod body;
mod checks;
mod closing;
mod concerns;
mod edits;
mod review;
mod sanitize;
mod tasks;

use std::time::Duration;

use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use whim_core::protocol::worker::Assignment;
use whim_core::{BranchName, CommitHash, FailureCause, IssueNumber, RepoName};
use whim_service::chain::chain;

pub use self::api::{Api, ApiError};
use self::body::SIGNATURE;
pub use self::body::{PullRequestSummary, WorkState, body, title};
pub use self::closing::other_closed_issues;
use self::edits::{Edits, marked};
use crate::outcome::Failure;
use crate::retry::{Retry, Retryable, retry_until_deadline};

/// An open pull request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PullRequest {
    pub number: IssueNumber,
    pub html_url: String,
    /// Whether it is a draft now.
    #[serde(default, rename = "draft")]
    pub is_draft: bool,
    /// What people have to do by hand, if anything.
    #[serde(skip)]
    pub to_do: Option<String>,
    node_id: String,
    title: String,
    body: Option<String>,
}

impl PullRequest {
    /// Whether Whim opened it.
    fn is_own(&self) -> bool {
        self.body.as_deref().unwrap_or_default().contains(SIGNATURE)
    }
}

/// A repository by its current name, which may differ from the assignment's: it may have been renamed or transferred.
#[derive(Debug, Deserialize)]
struct CurrentRepository {
    full_name: String,
    owner: Owner,
}

#[derive(Debug, Deserialize)]
struct Owner {
    login: String,
}

impl CurrentRepository {
    async fn find(api: &Api, repo: &RepoName) -> Result<Self, ApiError> {
        // GitHub redirects the old name.
        api.get(&format!("/repos/{repo}"), &[]).await
    }

    /// The pull requests of a branch, the newest first, with any base: a branch must not have two open ones.
    async fn pulls_of<T: DeserializeOwned>(
        &self,
        api: &Api,
        branch: &BranchName,
        state: &str,
    ) -> Result<Vec<T>, ApiError> {
        let head = format!("{}:{branch}", self.owner.login);
        api.get(&self.pulls(), &[("state", state), ("head", head.as_str())])
            .await
    }

    fn pulls(&self) -> String {
        format!("/repos/{}/pulls", self.full_name)
    }
}

/// The content of a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    pub title: String,
    /// Whim's part of the body, in Markdown.
    pub report: String,
    /// The repository's own template, for people to fill in.
    pub template: Option<String>,
    pub head: BranchName,
    pub base: BranchName,
    pub draft: bool,
    /// Work that is not green must not be opened as anything but a draft.
    pub state: WorkState,
}

impl Proposal {
    /// Whim's part, and the part of people.
    fn body(&self, rest: &str) -> String {
        let report = marked(&self.report, &self.title);
        if rest.is_empty() {
            report
        } else {
            format!("{report}\n\n{rest}")
        }
    }
}

/// The body of `POST /repos/{owner}/{repo}/pulls`.
#[derive(Clone, Debug, Serialize)]
struct NewPullRequest<'a> {
    title: &'a str,
    body: &'a str,
    head: &'a BranchName,
    base: &'a BranchName,
    draft: bool,
}

/// The body of `POST /repos/{owner}/{repo}/issues/{number}/comments`.
#[derive(Serialize)]
struct NewComment<'a> {
    body: &'a str,
}

/// The part of a proposal that an open pull request gets.
#[derive(Serialize)]
struct Texts<'a> {
    title: &'a str,
    body: &'a str,
}

/// Finds the pull request of the branch, or opens it. One that Whim opened before gets the new texts, and becomes a draft
/// or ready.
///
/// Each try searches first, because an unanswered request or an earlier attempt may have opened it already.
///
/// # Errors
/// GitHub refuses, or is unavailable for longer than `retry_timeout`.
pub async fn open_or_update(
    api: &Api,
    repo: &RepoName,
    proposal: &Proposal,
    retry_timeout: Duration,
) -> Result<PullRequest, Failure> {
    retry_until_deadline("opening the pull request", retry_timeout, async || {
        let repository = CurrentRepository::find(api, repo).await?;
        if let Some(found) = find(api, &repository, proposal).await? {
            tracing::info!(number = found.number, "the pull request is open already");
            return update(api, &repository, found, proposal).await;
        }
        let error = match open(api, &repository, proposal).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        // It may exist in spite of the error: opened concurrently (GitHub answers 422), or the answer was lost.
        match find(api, &repository, proposal).await {
            Ok(Some(found)) => update(api, &repository, found, proposal).await,
            Ok(None) => Err(error),
            Err(search_error) => Err(search_error),
        }
    })
    .await
    .map_err(Failure::from)
}

/// Where GitHub has no drafts, finished work is opened without: its body says what to check.
async fn open(
    api: &Api,
    repository: &CurrentRepository,
    proposal: &Proposal,
) -> Result<PullRequest, ApiError> {
    let new = NewPullRequest {
        title: &proposal.title,
        body: &proposal.body(proposal.template.as_deref().unwrap_or_default()),
        head: &proposal.head,
        base: &proposal.base,
        draft: proposal.draft,
    };
    match api.post(&repository.pulls(), &new).await {
        Err(error) if proposal.draft && proposal.state == WorkState::Green && error.is_about_drafts() => {
            let ready = NewPullRequest { draft: false, ..new };
            api.post(&repository.pulls(), &ready).await
        }
        opened => opened,
    }
}

/// Whim's own, if there are several with different bases.
async fn find(
    api: &Api,
    repository: &CurrentRepository,
    proposal: &Proposal,
) -> Result<Option<PullRequest>, ApiError> {
    let found: Vec<PullRequest> = repository.pulls_of(api, &proposal.head, "open").await?;
    let own = found.iter().position(PullRequest::is_own).unwrap_or(0);
    Ok(found.into_iter().nth(own))
}

/// The texts and the state of a pull request that a person opened are left alone.
async fn update(
    api: &Api,
    repository: &CurrentRepository,
    mut found: PullRequest,
    proposal: &Proposal,
) -> Result<PullRequest, ApiError> {
    if !found.is_own() {
        return Ok(found);
    }
    let edits = Edits::of(&found.title, found.body.as_deref().unwrap_or_default());
    let title = if edits.title {
        &found.title
    } else {
        &proposal.title
    };
    if !edits.body {
        let body = proposal.body(&edits.rest);
        let current = found.body.as_deref().unwrap_or_default();
        // GitHub may change the ends of lines.
        let is_current = current.lines().eq(body.lines()) && *title == found.title;
        if !is_current {
            let path = format!("{}/{}", repository.pulls(), found.number);
            let texts = Texts { title, body: &body };
            api.patch::<PullRequest>(&path, &texts).await?;
        }
    }
    if found.is_draft != proposal.draft {
        match api.set_draft(&found.node_id, proposal.draft).await {
            Ok(()) => found.is_draft = proposal.draft,
            // The work is delivered.
            Err(error @ ApiError::Refused { .. }) => {
                let state = if proposal.draft {
                    "a draft"
                } else {
                    "ready for review"
                };
                let number = found.number;
                found.to_do = Some(format!(
                    "Mark the pull request #{number} as {state}: Whim could not ({})",
                    chain(&error)
                ));
            }
            Err(error) => return Err(error),
        }
    }
    // Begun work has nothing to report yet.
    if edits.body && proposal.state != WorkState::Begun {
        let note = report_in_comment(api, repository, &found, proposal).await;
        found.to_do = Some(match found.to_do.take() {
            Some(to_do) => format!("{to_do}. {note}"),
            None => note,
        });
    }
    Ok(found)
}

/// A person changed Whim's part of the body, which stays as it is. Not retried: a second comment would be worse than none.
async fn report_in_comment(
    api: &Api,
    repository: &CurrentRepository,
    found: &PullRequest,
    proposal: &Proposal,
) -> String {
    let number = found.number;
    let path = format!("/repos/{}/issues/{number}/comments", repository.full_name);
    let comment = NewComment {
        body: &proposal.report,
    };
    let kept =
        format!("A person changed Whim's report in the pull request #{number}, so it was left as it is");
    match api.post::<serde_json::Value>(&path, &comment).await {
        Ok(_) => format!("{kept}; the new report is a comment"),
        Err(error) => format!(
            "{kept}; the new report could not be posted as a comment ({})",
            chain(&error)
        ),
    }
}

#[derive(Debug, Deserialize)]
struct EndedPullRequest {
    state: String,
    head: Head,
}

#[derive(Debug, Deserialize)]
struct Head {
    sha: CommitHash,
}

/// Whether a branch at `head` is what a pull request had when it was merged or closed, and nothing more: no pull request of
/// the branch is open, and nothing was pushed since. GitHub keeps these commits with the pull request.
///
/// # Errors
/// GitHub refuses, or is unavailable for longer than `retry_timeout`.
pub async fn is_finished(
    api: &Api,
    repo: &RepoName,
    branch: &BranchName,
    head: &CommitHash,
    retry_timeout: Duration,
) -> Result<bool, Failure> {
    retry_until_deadline("finding earlier pull requests", retry_timeout, async || {
        let repository = CurrentRepository::find(api, repo).await?;
        let pulls: Vec<EndedPullRequest> = repository.pulls_of(api, branch, "all").await?;
        let is_open = pulls.iter().any(|pull| pull.state == "open");
        Ok::<_, ApiError>(!is_open && pulls.iter().any(|pull| pull.head.sha == *head))
    })
    .await
    .map_err(|error| error.failure("earlier pull requests of the branch could not be found"))
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        error.failure("the pull request could not be opened")
    }
}

impl ApiError {
    /// "Draft pull requests are not supported in this repository."
    fn is_about_drafts(&self) -> bool {
        matches!(self, Self::Refused { status: StatusCode::UNPROCESSABLE_ENTITY, message } if message.contains("Draft"))
    }

    /// `what` could not be done.
    pub fn failure(&self, what: &str) -> Failure {
        let cause = match self {
            Self::Unavailable { .. } | Self::Unreachable { .. } => FailureCause::GitHubUnavailable,
            Self::Refused {
                status: StatusCode::UNAUTHORIZED,
                ..
            } => FailureCause::GitHubRefused,
            Self::Refused { .. } | Self::InvalidResponse { .. } => FailureCause::PullRequestRefused,
        };
        let retry_after = match self.retry() {
            Retry::After(wait) => Some(wait),
            Retry::Backoff | Retry::Never => None,
        };
        Failure::Failed {
            cause,
            reason: format!("{what}: {}", chain(self)),
            retry_after,
            tests: None,
        }
    }
}

/// The pull request of a work item.
pub fn propose(assignment: &Assignment, base: &BranchName, result: &PullRequestSummary<'_>) -> Proposal {
    Proposal {
        title: title(assignment, result),
        report: body(assignment, result),
        template: None,
        head: assignment.branch.clone(),
        base: base.clone(),
        draft: result.state != WorkState::Green || result.concerns.is_draft,
        state: result.state,
    }
}
