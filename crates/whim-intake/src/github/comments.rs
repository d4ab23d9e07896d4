//! Comments on issues, and reactions to them.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use whim_core::{IssueNumber, RepoName};

use super::pages::PER_PAGE;
use super::{Account, AccountBody, GitHub, GitHubError};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    /// Markdown.
    pub(crate) body: String,
    /// `None` if the account was deleted.
    pub(crate) author: Option<Account>,
    pub(crate) created_at: DateTime<Utc>,
    /// Of the latest edit.
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct CommentBody {
    id: u64,
    body: Option<String>,
    user: Option<AccountBody>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl GitHub {
    /// The comments on an issue, oldest first.
    pub(crate) async fn comments(
        &self,
        repo: &RepoName,
        issue: IssueNumber,
    ) -> Result<Vec<Comment>, GitHubError> {
        let number = issue.to_string();
        let path = ["repos", repo.owner(), repo.name(), "issues", &number, "comments"];
        let bodies: Vec<CommentBody> = self
            .get_all("listing comments", &path, &[("per_page", PER_PAGE)])
            .await?;
        Ok(bodies.into_iter().map(Comment::from).collect())
    }

    pub(crate) async fn create_comment(
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

    pub(crate) async fn edit_comment(&self, repo: &RepoName, id: u64, text: &str) -> Result<(), GitHubError> {
        let id = id.to_string();
        let path = ["repos", repo.owner(), repo.name(), "issues", "comments", &id];
        self.patch("editing a comment", &path, &json!({ "body": text }))
            .await
    }
}

/// Whim's answer to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    Seen,
    Done,
    Confused,
}

impl Reaction {
    const ALL: [Self; 3] = [Self::Seen, Self::Done, Self::Confused];

    const fn content(self) -> &'static str {
        match self {
            Self::Seen => "eyes",
            Self::Done => "+1",
            Self::Confused => "confused",
        }
    }
}

#[derive(Deserialize)]
struct ReactionBody {
    user: Option<AccountBody>,
    content: String,
}

impl GitHub {
    /// The reactions of one account to a comment.
    pub(crate) async fn own_reactions(
        &self,
        repo: &RepoName,
        comment: u64,
        account: u64,
    ) -> Result<Vec<Reaction>, GitHubError> {
        let id = comment.to_string();
        let path = reactions_path(repo, &id);
        let bodies: Vec<ReactionBody> = self
            .get_all("listing reactions", &path, &[("per_page", PER_PAGE)])
            .await?;
        let own = |body: &ReactionBody| body.user.as_ref().is_some_and(|user| user.id == account);
        let reaction = |body: ReactionBody| {
            Reaction::ALL
                .into_iter()
                .find(|reaction| reaction.content() == body.content)
        };
        Ok(bodies.into_iter().filter(own).filter_map(reaction).collect())
    }

    /// No effect if the comment has the reaction.
    pub(crate) async fn react(
        &self,
        repo: &RepoName,
        comment: u64,
        reaction: Reaction,
    ) -> Result<(), GitHubError> {
        let id = comment.to_string();
        let body = json!({ "content": reaction.content() });
        self.post("reacting to a comment", &reactions_path(repo, &id), &body)
            .await
    }
}

fn reactions_path<'a>(repo: &'a RepoName, comment: &'a str) -> [&'a str; 7] {
    [
        "repos",
        repo.owner(),
        repo.name(),
        "issues",
        "comments",
        comment,
        "reactions",
    ]
}

impl From<CommentBody> for Comment {
    fn from(body: CommentBody) -> Self {
        Self {
            id: body.id,
            body: body.body.unwrap_or_default(),
            author: body.user.map(Account::from),
            created_at: body.created_at,
            updated_at: body.updated_at,
        }
    }
}

/// A comment at a second of 1970.
#[cfg(test)]
pub(crate) fn comment_for_tests(author: Account, body: &str, second: i64) -> Comment {
    let at = DateTime::from_timestamp(second, 0).unwrap_or_default();
    Comment {
        id: u64::try_from(second).unwrap_or_default(),
        body: body.to_owned(),
        author: Some(author),
        created_at: at,
        updated_at: at,
    }
}
