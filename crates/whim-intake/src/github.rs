//! The eight calls of GitHub's REST API that the intake needs.
//!
//! Reads are conditional, so that an idle poll does not count against the rate limit, and follow pages. Writes are sent
//! once: after a lost response, the next poll sees whether they took effect.

mod error;
mod outcomes;
mod pages;
mod rate_limit;
mod transport;

use serde::Deserialize;
use serde_json::json;
use whim_core::{BranchName, IssueNumber, RepoName, UserName};

pub(crate) use self::error::GitHubError;
use self::pages::PER_PAGE;
pub(crate) use self::transport::GitHub;

/// An issue that is not a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issue {
    pub(crate) number: IssueNumber,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) labels: Vec<String>,
    /// Of its web page.
    pub(crate) url: String,
    /// `None` if the account was deleted.
    pub(crate) author: Option<UserName>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LabelChange {
    pub(crate) label: String,
    /// Or removed.
    pub(crate) added: bool,
    /// `None` if the account was deleted.
    pub(crate) by: Option<UserName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IssueState {
    Open,
    All,
}

#[derive(Deserialize)]
struct IssueBody {
    number: IssueNumber,
    title: String,
    body: Option<String>,
    labels: Vec<LabelBody>,
    html_url: String,
    user: Option<UserBody>,
    pull_request: Option<serde::de::IgnoredAny>,
}

/// GitHub's API description allows both forms.
#[derive(Deserialize)]
#[serde(untagged)]
enum LabelBody {
    Name(String),
    Label { name: Option<String> },
}

#[derive(Deserialize)]
struct UserBody {
    login: String,
}

impl UserBody {
    fn name(user: Option<Self>) -> Option<UserName> {
        UserName::parse(&user?.login).ok()
    }
}

#[derive(Deserialize)]
struct EventBody {
    event: String,
    actor: Option<UserBody>,
    label: Option<EventLabelBody>,
}

#[derive(Deserialize)]
struct EventLabelBody {
    name: String,
}

#[derive(Deserialize)]
struct PullRequestBody {
    number: IssueNumber,
}

#[derive(Deserialize)]
struct CommentBody {
    body: Option<String>,
}

impl GitHub {
    /// The issues with a label, oldest first.
    pub(crate) async fn issues(
        &self,
        repo: &RepoName,
        label: &str,
        state: IssueState,
    ) -> Result<Vec<Issue>, GitHubError> {
        let state = match state {
            IssueState::Open => "open",
            IssueState::All => "all",
        };
        let query = [
            ("labels", label),
            ("state", state),
            ("sort", "created"),
            ("direction", "asc"),
            ("per_page", PER_PAGE),
        ];
        let path = ["repos", repo.owner(), repo.name(), "issues"];
        let bodies: Vec<IssueBody> = self.get_all("listing issues", &path, &query).await?;
        Ok(bodies
            .into_iter()
            .filter(|body| body.pull_request.is_none())
            .map(Issue::from)
            .collect())
    }

    /// The open pull request of a branch, if there is one.
    pub(crate) async fn open_pull_request(
        &self,
        repo: &RepoName,
        branch: &BranchName,
    ) -> Result<Option<IssueNumber>, GitHubError> {
        let head = format!("{}:{branch}", repo.owner());
        let path = ["repos", repo.owner(), repo.name(), "pulls"];
        let query = [("state", "open"), ("head", head.as_str())];
        let bodies: Vec<PullRequestBody> = self.get_all("listing pull requests", &path, &query).await?;
        Ok(bodies.first().map(|pull| pull.number))
    }

    /// The texts of an issue's comments.
    pub(crate) async fn comments(
        &self,
        repo: &RepoName,
        issue: IssueNumber,
    ) -> Result<Vec<String>, GitHubError> {
        let number = issue.to_string();
        let path = ["repos", repo.owner(), repo.name(), "issues", &number, "comments"];
        let bodies: Vec<CommentBody> = self
            .get_all("listing comments", &path, &[("per_page", PER_PAGE)])
            .await?;
        Ok(bodies.into_iter().filter_map(|comment| comment.body).collect())
    }

    /// The additions and removals of labels, oldest first.
    pub(crate) async fn label_changes(
        &self,
        repo: &RepoName,
        issue: IssueNumber,
    ) -> Result<Vec<LabelChange>, GitHubError> {
        let number = issue.to_string();
        let path = ["repos", repo.owner(), repo.name(), "issues", &number, "events"];
        let bodies: Vec<EventBody> = self
            .get_all("listing events", &path, &[("per_page", PER_PAGE)])
            .await?;
        let change = |body: EventBody| {
            let added = match body.event.as_str() {
                "labeled" => true,
                "unlabeled" => false,
                _ => return None,
            };
            Some(LabelChange {
                label: body.label?.name,
                added,
                by: UserBody::name(body.actor),
            })
        };
        Ok(bodies.into_iter().filter_map(change).collect())
    }

    pub(crate) async fn comment(
        &self,
        repo: &RepoName,
        issue: IssueNumber,
        text: &str,
    ) -> Result<(), GitHubError> {
        let number = issue.to_string();
        let path = ["repos", repo.owner(), repo.name(), "issues", &number, "comments"];
        self.post("commenting on an issue", &path, &json!({ "body": text }))
            .await
    }

    /// GitHub creates the label if the repository does not have it.
    pub(crate) async fn add_label(
        &self,
        repo: &RepoName,
        issue: IssueNumber,
        label: &str,
    ) -> Result<(), GitHubError> {
        let number = issue.to_string();
        let path = ["repos", repo.owner(), repo.name(), "issues", &number, "labels"];
        self.post("adding a label", &path, &json!({ "labels": [label] }))
            .await
    }

    /// Succeeds if the issue does not have the label.
    pub(crate) async fn remove_label(
        &self,
        repo: &RepoName,
        issue: IssueNumber,
        label: &str,
    ) -> Result<(), GitHubError> {
        let number = issue.to_string();
        let path = [
            "repos",
            repo.owner(),
            repo.name(),
            "issues",
            &number,
            "labels",
            label,
        ];
        match self.delete("removing a label", &path).await {
            Err(GitHubError::NotFound { .. }) => Ok(()),
            result => result,
        }
    }
}

impl From<IssueBody> for Issue {
    fn from(body: IssueBody) -> Self {
        let name = |label| match label {
            LabelBody::Name(name) => Some(name),
            LabelBody::Label { name } => name,
        };
        Self {
            number: body.number,
            title: body.title,
            body: body.body.unwrap_or_default(),
            labels: body.labels.into_iter().filter_map(name).collect(),
            url: body.html_url,
            author: UserBody::name(body.user),
        }
    }
}
