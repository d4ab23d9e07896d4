//! Issues and their events.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::error_response::ErrorResponse;
use super::extract::{Answer, Call, Known, KnownBody, RepositoryPath};
use super::pages::Page;
use super::shared::Shared;
use super::state::{Issue, Repository, State as IssueState};
use super::views;

/// Filter and order of a list of issues.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    #[serde(default)]
    state: StateFilter,
    labels: Option<String>,
    creator: Option<String>,
    since: Option<DateTime<Utc>>,
    #[serde(default)]
    sort: Sort,
    #[serde(default)]
    direction: Direction,
    page: Option<usize>,
    per_page: Option<usize>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StateFilter {
    #[default]
    Open,
    Closed,
    All,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    #[default]
    Created,
    Updated,
    Comments,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    Asc,
    #[default]
    Desc,
}

/// A list of which only the part is chosen.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    page: Option<usize>,
    per_page: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewIssue {
    title: String,
    body: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    title: Option<String>,
    // `null` empties the body; a missing field leaves it unchanged.
    #[serde(default, deserialize_with = "present")]
    body: Option<Option<String>>,
    state: Option<NewState>,
    state_reason: Option<String>,
    labels: Option<Vec<String>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum NewState {
    Open,
    Closed,
}

impl From<NewState> for IssueState {
    fn from(state: NewState) -> Self {
        match state {
            NewState::Open => Self::Open,
            NewState::Closed => Self::Closed,
        }
    }
}

fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

impl PageQuery {
    pub(super) fn page(&self) -> Page {
        Page::new(self.page, self.per_page)
    }
}

impl StateFilter {
    pub(super) fn lets_pass(self, state: IssueState) -> bool {
        match self {
            Self::Open => state == IssueState::Open,
            Self::Closed => state == IssueState::Closed,
            Self::All => true,
        }
    }
}

impl Direction {
    /// Orders by a key and then by number.
    pub(super) fn sort<T, Key: Ord>(self, items: &mut [T], key: impl Fn(&T) -> Key) {
        match self {
            Self::Asc => items.sort_by_key(key),
            Self::Desc => items.sort_by_key(|item| Reverse(key(item))),
        }
    }
}

impl ListQuery {
    fn lets_pass(&self, repository: &Repository, issue: &Issue) -> bool {
        let wanted = self.labels.as_deref().unwrap_or_default();
        let has_label = |name: &str| {
            repository
                .labels_of(issue)
                .any(|label| label.name.to_lowercase() == name.to_lowercase())
        };
        self.state.lets_pass(issue.state)
            && self.since.is_none_or(|since| since <= issue.updated_at)
            && self
                .creator
                .as_deref()
                .is_none_or(|creator| creator.eq_ignore_ascii_case(&issue.author))
            && wanted
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .all(has_label)
    }

    fn sort(&self, issues: &mut [&Issue]) {
        match self.sort {
            Sort::Created => self
                .direction
                .sort(issues, |issue| (issue.created_at, issue.number)),
            Sort::Updated => self
                .direction
                .sort(issues, |issue| (issue.updated_at, issue.number)),
            Sort::Comments => self
                .direction
                .sort(issues, |issue| (issue.comments.len(), issue.number)),
        }
    }
}

/// `GET /repos/{owner}/{repo}/issues`; pull requests are among them.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name)): Path<RepositoryPath>,
    Known(query): Known<ListQuery>,
) -> Answer {
    shared.with_repository(&owner, &name, |repository| {
        let issues = repository.issues.values();
        let mut issues: Vec<&Issue> = issues
            .filter(|issue| query.lets_pass(repository, issue))
            .collect();
        query.sort(&mut issues);
        let views = issues
            .into_iter()
            .map(|issue| views::issue(&shared.links, repository, issue));
        Ok(Page::new(query.page, query.per_page).of(views, &call.url))
    })
}

/// `POST /repos/{owner}/{repo}/issues`
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name)): Path<RepositoryPath>,
    KnownBody(new): KnownBody<NewIssue>,
) -> Answer {
    let mut world = shared.write();
    let change = world.change_by(call.login()?);
    let repository = world
        .repository_mut(&owner, &name)
        .ok_or(ErrorResponse::NotFound)?;
    let number = repository.create_issue(&new.title, new.body, &new.labels, &change)?;
    let issue = repository.issue(number).ok_or(ErrorResponse::NotFound)?;
    Ok((
        StatusCode::CREATED,
        Json(views::issue(&shared.links, repository, issue)),
    )
        .into_response())
}

/// `GET /repos/{owner}/{repo}/issues/{issue_number}`
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Path((owner, name, number)): Path<(String, String, u64)>,
) -> Answer {
    shared.with_repository(&owner, &name, |repository| {
        let issue = repository.issue(number).ok_or(ErrorResponse::NotFound)?;
        Ok(Json(views::issue(&shared.links, repository, issue)).into_response())
    })
}

/// `PATCH /repos/{owner}/{repo}/issues/{issue_number}`
pub(super) async fn update(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name, number)): Path<(String, String, u64)>,
    KnownBody(changes): KnownBody<Changes>,
) -> Answer {
    let mut world = shared.write();
    let change = world.change_by(call.login()?);
    let repository = world
        .repository_mut(&owner, &name)
        .ok_or(ErrorResponse::NotFound)?;
    repository.issue(number).ok_or(ErrorResponse::NotFound)?;
    repository.edit(number, changes.title.as_deref(), changes.body, &change)?;
    if let Some(labels) = &changes.labels {
        repository.set_labels(number, labels, &change)?;
    }
    if let Some(state) = changes.state {
        repository.set_state(number, state.into(), changes.state_reason, &change)?;
    }
    let issue = repository.issue(number).ok_or(ErrorResponse::NotFound)?;
    Ok(Json(views::issue(&shared.links, repository, issue)).into_response())
}

/// `GET /repos/{owner}/{repo}/issues/{issue_number}/events`, oldest first
pub(super) async fn events(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name, number)): Path<(String, String, u64)>,
    Known(query): Known<PageQuery>,
) -> Answer {
    shared.with_repository(&owner, &name, |repository| {
        let issue = repository.issue(number).ok_or(ErrorResponse::NotFound)?;
        let views = issue
            .events
            .iter()
            .map(|event| views::event(&shared.links, repository, event));
        Ok(query.page().of(views, &call.url))
    })
}
