//! Edits of an issue's text, which only GitHub's GraphQL API knows.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use whim_core::{IssueNumber, RepoName};

use super::{GitHub, GitHubError};

const QUERY: &str = "query($owner: String!, $name: String!, $number: Int!) { \
    repository(owner: $owner, name: $name) { issue(number: $number) { \
    lastEditedAt userContentEdits(first: 5) { nodes { editedAt editor { login } diff } } } } }";

/// An edit of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BodyEdit {
    pub(crate) at: DateTime<Utc>,
    /// `None` if the account was deleted.
    pub(crate) by: Option<String>,
    /// GitHub's record of the change.
    pub(crate) diff: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    repository: Option<RepositoryBody>,
}

#[derive(Deserialize)]
struct RepositoryBody {
    issue: Option<EditedIssue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EditedIssue {
    last_edited_at: Option<DateTime<Utc>>,
    user_content_edits: Option<Edits>,
}

#[derive(Deserialize)]
struct Edits {
    nodes: Option<Vec<Option<EditBody>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EditBody {
    edited_at: DateTime<Utc>,
    editor: Option<EditorBody>,
    diff: Option<String>,
}

#[derive(Deserialize)]
struct EditorBody {
    login: String,
}

impl GitHub {
    /// The latest edits of an issue's body, newest first; `None` if the token may not read them.
    pub(crate) async fn body_edits(
        &self,
        repo: &RepoName,
        issue: IssueNumber,
    ) -> Result<Option<Vec<BodyEdit>>, GitHubError> {
        let variables = json!({ "owner": repo.owner(), "name": repo.name(), "number": issue.get() });
        let body = json!({ "query": QUERY, "variables": variables });
        let answer: Answer = match self.graphql("reading the edits of an issue", &body).await {
            Ok(answer) => answer,
            Err(GitHubError::Refused { .. } | GitHubError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let issue = answer.data.and_then(|data| data.repository?.issue);
        Ok(issue.map(edits_of))
    }
}

fn edits_of(issue: EditedIssue) -> Vec<BodyEdit> {
    let nodes = issue.user_content_edits.and_then(|edits| edits.nodes);
    let mut edits: Vec<BodyEdit> = nodes
        .into_iter()
        .flatten()
        .flatten()
        .map(|edit| BodyEdit {
            at: edit.edited_at,
            by: edit.editor.map(|editor| editor.login),
            diff: edit.diff,
        })
        .collect();
    // The time of the latest edit is known even if its content was deleted.
    if let Some(at) = issue.last_edited_at
        && edits.iter().all(|edit| edit.at < at)
    {
        let edit = BodyEdit {
            at,
            by: None,
            diff: None,
        };
        edits.insert(0, edit);
    }
    edits
}
