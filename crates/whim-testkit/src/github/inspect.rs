//! State that a test reads.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::controls::split;
use super::state::{self, Repository, State};
use super::{GitHub, must};
use crate::git::{self, Commit};

/// An issue, or a pull request seen as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    pub number: u64,
    pub title: String,
    pub body: Option<String>,
    pub author: String,
    pub state: State,
    /// In the order in which they were added.
    pub labels: Vec<String>,
    pub comments: Vec<Comment>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A comment on an issue or a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    pub id: u64,
    pub author: String,
    pub body: String,
    /// The reactions with their authors, oldest first.
    pub reactions: Vec<(String, String)>,
}

/// A pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    pub number: u64,
    pub title: String,
    pub body: Option<String>,
    pub author: String,
    /// The head branch.
    pub head: String,
    /// Hash of the head branch at the newest push or at the merge.
    pub head_hash: String,
    /// The base branch.
    pub base: String,
    pub state: State,
    pub draft: bool,
    pub merged: bool,
}

impl GitHub {
    /// An issue or a pull request.
    ///
    /// # Panics
    /// There is none with this number.
    #[must_use]
    #[track_caller]
    pub fn issue(&self, repository: &str, number: u64) -> Issue {
        let found = self.look(repository, |record| Some(issue_of(record, record.issue(number)?)));
        match found {
            Some(issue) => issue,
            None => panic!("{repository} has no issue {number}"),
        }
    }

    /// All issues that are not pull requests, by number.
    #[must_use]
    #[track_caller]
    pub fn issues(&self, repository: &str) -> Vec<Issue> {
        self.look(repository, |record| {
            let issues = record.issues.values().filter(|issue| issue.pull.is_none());
            issues.map(|issue| issue_of(record, issue)).collect()
        })
    }

    /// All pull requests, in whatever state, by number.
    #[must_use]
    #[track_caller]
    pub fn pulls(&self, repository: &str) -> Vec<Pull> {
        self.look(repository, |record| {
            record.pulls().map(|(issue, pull)| pull_of(issue, pull)).collect()
        })
    }

    /// The names of a repository's labels, in the order of their creation.
    #[must_use]
    #[track_caller]
    pub fn labels(&self, repository: &str) -> Vec<String> {
        self.look(repository, |record| {
            record.labels.iter().map(|label| label.name.clone()).collect()
        })
    }

    /// Every branch with the hash of its newest commit.
    #[must_use]
    #[track_caller]
    pub fn branches(&self, repository: &str) -> BTreeMap<String, String> {
        must("could not read the branches", self.bare(repository).branches())
    }

    /// Hash of a branch's newest commit; `None` if there is no such branch.
    #[must_use]
    #[track_caller]
    pub fn branch_head(&self, repository: &str, branch: &str) -> Option<String> {
        self.branches(repository).remove(branch)
    }

    /// A file at a revision; `None` if it does not exist there.
    #[must_use]
    #[track_caller]
    pub fn read_file(&self, repository: &str, revision: &str, path: &str) -> Option<String> {
        must(
            "could not read the file",
            self.bare(repository).read(revision, path),
        )
    }

    /// The commits that lead to a revision (or lie in a range such as `main..branch`), newest first.
    #[must_use]
    #[track_caller]
    pub fn log(&self, repository: &str, revision: &str) -> Vec<Commit> {
        must("could not read the log", self.bare(repository).log(revision))
    }

    /// The bare repository, for everything else.
    #[must_use]
    #[track_caller]
    pub fn bare_repository(&self, repository: &str) -> git::Repository {
        self.bare(repository)
    }

    #[track_caller]
    fn look<T>(&self, repository: &str, look: impl FnOnce(&Repository) -> T) -> T {
        let (owner, name) = split(repository);
        let seen = self
            .shared
            .with_repository(owner, name, |record| Ok(look(record)));
        must(&format!("no repository {repository}"), seen)
    }
}

fn issue_of(repository: &Repository, issue: &state::Issue) -> Issue {
    let comment = |comment: &state::Comment| Comment {
        id: comment.id,
        author: comment.author.clone(),
        body: comment.body.clone(),
        reactions: comment
            .reactions
            .iter()
            .map(|reaction| (reaction.author.clone(), reaction.content.clone()))
            .collect(),
    };
    Issue {
        number: issue.number,
        title: issue.title.clone(),
        body: issue.body.clone(),
        author: issue.author.clone(),
        state: issue.state,
        labels: repository
            .labels_of(issue)
            .map(|label| label.name.clone())
            .collect(),
        comments: issue.comments.iter().map(comment).collect(),
        created_at: issue.created_at,
        updated_at: issue.updated_at,
    }
}

fn pull_of(issue: &state::Issue, pull: &state::Pull) -> Pull {
    Pull {
        number: issue.number,
        title: issue.title.clone(),
        body: issue.body.clone(),
        author: issue.author.clone(),
        head: pull.head.clone(),
        head_hash: pull.head_hash.clone(),
        base: pull.base.clone(),
        state: issue.state,
        draft: pull.draft,
        merged: pull.merged.is_some(),
    }
}
