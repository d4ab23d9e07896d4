//! Issues, their labels and pull requests.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use whim_core::{BranchName, IssueNumber, RepoName};

use super::pages::PER_PAGE;
use super::{Account, AccountBody, GitHub, GitHubError};

/// An issue that is not a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issue {
    pub(crate) number: IssueNumber,
    pub(crate) title: String,
    /// Markdown.
    pub(crate) body: String,
    pub(crate) labels: Vec<String>,
    pub(crate) is_open: bool,
    /// Of its web page.
    pub(crate) url: String,
    /// `None` if the account was deleted.
    pub(crate) author: Option<Account>,
    pub(crate) comments: u64,
    /// Of any change: of text, labels, state or comments.
    pub(crate) updated_at: DateTime<Utc>,
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
    state: String,
    html_url: String,
    user: Option<AccountBody>,
    #[serde(default)]
    comments: u64,
    updated_at: DateTime<Utc>,
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
struct PullRequestBody {
    number: IssueNumber,
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

    /// `None` if there is no such issue, or it is a pull request.
    pub(crate) async fn issue(
        &self,
        repo: &RepoName,
        number: IssueNumber,
    ) -> Result<Option<Issue>, GitHubError> {
        let number = number.to_string();
        let path = ["repos", repo.owner(), repo.name(), "issues", &number];
        match self.get::<IssueBody>("reading an issue", &path).await {
            Ok(body) => Ok(body.pull_request.is_none().then(|| body.into())),
            Err(GitHubError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
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
            is_open: body.state == "open",
            url: body.html_url,
            author: body.user.map(Account::from),
            comments: body.comments,
            updated_at: body.updated_at,
        }
    }
}
