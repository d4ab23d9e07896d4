//! The eight calls of GitHub's REST interface that the intake needs.
//!
//! Reads are conditional (an idle poll costs nothing of the rate limit) and follow pages; writes are sent once: after
//! an unclear answer the next look at the issue tells whether they took effect.

mod error;
mod transport;

use serde::Deserialize;
use serde_json::json;
use whim_core::{IssueNumber, RepoName};

pub(crate) use self::error::GitHubError;
pub(crate) use self::transport::GitHub;

/// An issue; pull requests, which GitHub lists among them, are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issue {
    pub(crate) number: IssueNumber,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) labels: Vec<String>,
    /// Its page.
    pub(crate) url: String,
}

/// Which issues to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IssueState {
    Open,
    All,
}

#[derive(Deserialize, Clone)]
struct IssueBody {
    number: IssueNumber,
    title: String,
    body: Option<String>,
    labels: Vec<LabelBody>,
    html_url: String,
    pull_request: Option<serde::de::IgnoredAny>,
}

/// GitHub's description allows both forms.
#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum LabelBody {
    Name(String),
    Label { name: Option<String> },
}

#[derive(Deserialize, Clone)]
struct CommentBody {
    body: Option<String>,
}

impl GitHub {
    /// The issues with a label, all pages.
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
        let query = [("labels", label), ("state", state), ("per_page", "100")];
        let bodies: Vec<IssueBody> = self
            .get_all("listing issues", &repo_path(repo, &["issues"]), &query)
            .await?;
        Ok(bodies
            .into_iter()
            .filter(|body| body.pull_request.is_none())
            .map(Issue::from)
            .collect())
    }

    /// The texts of an issue's comments, all pages.
    pub(crate) async fn comments(
        &self,
        repo: &RepoName,
        issue: IssueNumber,
    ) -> Result<Vec<String>, GitHubError> {
        let path = issue_path(repo, issue, &["comments"]);
        let bodies: Vec<CommentBody> = self
            .get_all("listing comments", &path, &[("per_page", "100")])
            .await?;
        Ok(bodies.into_iter().filter_map(|comment| comment.body).collect())
    }

    /// Comments on an issue.
    pub(crate) async fn comment(
        &self,
        repo: &RepoName,
        issue: IssueNumber,
        text: &str,
    ) -> Result<(), GitHubError> {
        self.post(
            "commenting on an issue",
            &issue_path(repo, issue, &["comments"]),
            &json!({ "body": text }),
        )
        .await
    }

    /// Adds a label to an issue; GitHub makes it in the repository where it is missing.
    pub(crate) async fn add_label(
        &self,
        repo: &RepoName,
        issue: IssueNumber,
        label: &str,
    ) -> Result<(), GitHubError> {
        let body = json!({ "labels": [label] });
        self.post("adding a label", &issue_path(repo, issue, &["labels"]), &body)
            .await
    }

    /// Takes a label off an issue; one that is not there is as good.
    pub(crate) async fn remove_label(
        &self,
        repo: &RepoName,
        issue: IssueNumber,
        label: &str,
    ) -> Result<(), GitHubError> {
        match self
            .delete("removing a label", &issue_path(repo, issue, &["labels", label]))
            .await
        {
            Err(GitHubError::NotFound { .. }) => Ok(()),
            result => result,
        }
    }
}

fn repo_path<'a>(repo: &'a RepoName, rest: &[&'a str]) -> Vec<String> {
    ["repos", repo.owner(), repo.name()]
        .iter()
        .chain(rest)
        .map(|segment| (*segment).to_owned())
        .collect()
}

fn issue_path(repo: &RepoName, issue: IssueNumber, rest: &[&str]) -> Vec<String> {
    let number = issue.to_string();
    let mut path = repo_path(repo, &["issues", &number]);
    path.extend(rest.iter().map(|segment| (*segment).to_owned()));
    path
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
        }
    }
}
