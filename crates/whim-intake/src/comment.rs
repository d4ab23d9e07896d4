//! The one comment on an issue, which is edited as its run proceeds.

mod live;
mod not_started;
mod outcome;
mod quote;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;
use whim_core::protocol::work::WorkItem;
use whim_core::source::{CommentSubject, parse_comment_marker};
use whim_core::{IssueNumber, RepoName};

pub(crate) use self::live::{LiveState, live};
pub(crate) use self::not_started::{Refusal, not_started};
pub(crate) use self::outcome::{Outcome, outcome};
use crate::github::{Comment, GitHub, GitHubError};

/// Whim's comment among those of an issue: the first by the token's own account that ends with a marker. A marker of anyone
/// else means nothing.
pub(crate) fn own_comment(comments: &[Comment], own_id: u64) -> Option<&Comment> {
    comments.iter().find(|comment| {
        comment.author.as_ref().is_some_and(|author| author.id == own_id)
            && parse_comment_marker(&comment.body).is_some()
    })
}

/// Whether the comment states the outcome of the item's current run.
pub(crate) fn states_outcome(comment: Option<&Comment>, item: &WorkItem) -> bool {
    let outcome = CommentSubject::Run {
        item: item.id,
        run: item.run,
        ended: true,
    };
    comment.and_then(|comment| parse_comment_marker(&comment.body)) == Some(outcome)
}

/// Writes comments, each at most once in an interval.
#[derive(Debug)]
pub(crate) struct CommentWriter {
    github: Arc<GitHub>,
    interval: Duration,
    written_at: RwLock<HashMap<(RepoName, IssueNumber), Instant>>,
}

/// Result of [`CommentWriter::write`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Written {
    /// The issue has the comment.
    Done,
    /// Too soon after the previous write: a later poll writes it.
    Deferred,
}

impl CommentWriter {
    pub(crate) fn new(github: Arc<GitHub>, interval: Duration) -> Self {
        Self {
            github,
            interval,
            written_at: RwLock::default(),
        }
    }

    /// Whether a comment on the issue may be written now.
    pub(crate) fn is_due(&self, repo: &RepoName, issue: IssueNumber) -> bool {
        let written_at = self.written_at.read().unwrap_or_else(PoisonError::into_inner);
        written_at
            .get(&(repo.clone(), issue))
            .is_none_or(|written_at| written_at.elapsed() >= self.interval)
    }

    /// Creates the comment, or edits `current` unless it has that text.
    pub(crate) async fn write(
        &self,
        repo: &RepoName,
        issue: IssueNumber,
        current: Option<&Comment>,
        text: &str,
    ) -> Result<Written, GitHubError> {
        if current.is_some_and(|current| current.body == text) {
            return Ok(Written::Done);
        }
        if !self.is_due(repo, issue) {
            return Ok(Written::Deferred);
        }
        match current {
            Some(current) => self.github.edit_comment(repo, current.id, text).await?,
            None => self.github.create_comment(repo, issue, text).await?,
        }
        let mut written_at = self.written_at.write().unwrap_or_else(PoisonError::into_inner);
        written_at.retain(|_, written_at| written_at.elapsed() < self.interval);
        written_at.insert((repo.clone(), issue), Instant::now());
        Ok(Written::Done)
    }
}

#[cfg(test)]
pub(super) fn item_for_tests(status: &str, more: &serde_json::Value) -> WorkItem {
    let mut fields = serde_json::json!({
        "id": "0193c5a0-0000-7000-8000-000000000001", "repo": "octocat/hello", "branch": "whim/7-hello-00000001",
        "status": status, "priority": "medium", "source": "github", "sourceRef": "7", "retries": 0, "maxRetries": 3,
        "leaseEpoch": 1, "run": 2, "iteration": 2, "tasksTotal": 2, "tasksDone": 0,
        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
    });
    fields
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    serde_json::from_value(fields).unwrap()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use whim_core::source::comment_marker;

    use super::*;
    use crate::github::{Account, comment_for_tests};

    fn account(id: u64, login: &str) -> Account {
        Account {
            id,
            login: login.to_owned(),
            is_bot: false,
        }
    }

    #[test]
    fn only_a_comment_of_the_own_account_that_ends_with_the_marker_is_whims() {
        let item = item_for_tests("failed", &json!({}));
        let marker = |run, ended| {
            comment_marker(CommentSubject::Run {
                item: item.id,
                run,
                ended,
            })
        };
        let by = |id, body: &str| comment_for_tests(account(id, "whim-bot"), body, 1);
        for (comments, stated) in [
            (vec![by(1, &marker(2, true))], true),
            (
                vec![by(1, "hello"), by(1, &format!("text\n\n{}\n", marker(2, true)))],
                true,
            ),
            // Another account, even with the same login.
            (vec![by(2, &marker(2, true))], false),
            (vec![by(1, &marker(1, true))], false),
            (vec![by(1, &marker(2, false))], false),
            (vec![by(1, &format!("{} quoted", marker(2, true)))], false),
            // The first one is the one that is edited.
            (vec![by(1, &marker(2, false)), by(1, &marker(2, true))], false),
        ] {
            let own = own_comment(&comments, 1);
            assert_eq!(states_outcome(own, &item), stated, "{comments:?}");
        }
    }
}
