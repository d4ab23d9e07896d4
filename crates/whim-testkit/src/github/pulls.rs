//! Pull requests.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::Value;

use super::bare_repository;
use super::error_response::{ErrorResponse, Invalid};
use super::extract::{Answer, Call, Known, KnownBody, RepositoryPath, blocking};
use super::issues::{Direction, NewState, StateFilter};
use super::pages::Page;
use super::shared::Shared;
use super::state::{Issue, NewPull, Pull};
use super::views;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    #[serde(default)]
    state: StateFilter,
    head: Option<String>,
    base: Option<String>,
    #[serde(default)]
    sort: Sort,
    direction: Option<Direction>,
    page: Option<usize>,
    per_page: Option<usize>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    #[default]
    Created,
    Updated,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPullBody {
    title: Option<String>,
    body: Option<String>,
    head: String,
    base: String,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    maintainer_can_modify: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    title: Option<String>,
    body: Option<String>,
    state: Option<NewState>,
    base: Option<String>,
}

impl ListQuery {
    fn lets_pass(&self, owner: &str, issue: &Issue, pull: &Pull) -> bool {
        // GitHub ignores a `head` without an owner and lists everything.
        let head = self.head.as_deref().and_then(|head| head.split_once(':'));
        self.state.lets_pass(issue.state)
            && head.is_none_or(|(user, branch)| user.eq_ignore_ascii_case(owner) && branch == pull.head)
            && self.base.as_deref().is_none_or(|base| base == pull.base)
    }

    fn direction(&self) -> Direction {
        self.direction.unwrap_or(match self.sort {
            Sort::Created => Direction::Desc,
            Sort::Updated => Direction::Asc,
        })
    }
}

/// `GET /repos/{owner}/{repo}/pulls`
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name)): Path<RepositoryPath>,
    Known(query): Known<ListQuery>,
) -> Answer {
    shared.with_repository(&owner, &name, |repository| {
        let pulls = repository.pulls();
        let mut pulls: Vec<(&Issue, &Pull)> = pulls
            .filter(|(issue, pull)| query.lets_pass(&repository.owner, issue, pull))
            .collect();
        query
            .direction()
            .sort(&mut pulls, |(issue, _pull)| match query.sort {
                Sort::Created => (issue.created_at, issue.number),
                Sort::Updated => (issue.updated_at, issue.number),
            });
        let pulls = pulls.into_iter();
        let views = pulls.map(|(issue, pull)| views::pull_in_list(&shared.links, repository, issue, pull));
        Ok(Page::new(query.page, query.per_page).of(views, &call.url))
    })
}

/// `POST /repos/{owner}/{repo}/pulls`
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name)): Path<RepositoryPath>,
    KnownBody(new): KnownBody<NewPullBody>,
) -> Answer {
    let view = blocking(move || {
        let login = call.login()?;
        let invalid = |error| ErrorResponse::invalid(error);
        let title = new
            .title
            .ok_or_else(|| invalid(Invalid::missing("PullRequest", "title")))?;
        let head = match new.head.split_once(':') {
            None => new.head.as_str(),
            // Forks are not supported: the head's owner is the repository's.
            Some((user, branch)) if user.eq_ignore_ascii_case(&owner) => branch,
            Some(_) => return Err(invalid(Invalid::field("PullRequest", "head"))),
        };
        bare_repository::check_comparable(&shared.bare(&owner, &name)?, &new.base, head)?;
        shared.refresh(&owner, &name, login)?;
        let mut world = shared.write();
        let change = world.change_by(login);
        let repository = world
            .repository_mut(&owner, &name)
            .ok_or(ErrorResponse::NotFound)?;
        let new = NewPull {
            title,
            body: new.body,
            head: head.to_owned(),
            base: new.base,
            draft: new.draft,
            maintainer_can_modify: new.maintainer_can_modify,
        };
        let number = repository.open_pull(new, &change)?;
        drop(world);
        view(&shared, &owner, &name, number)
    });
    Ok((StatusCode::CREATED, Json(view.await?)).into_response())
}

/// `GET /repos/{owner}/{repo}/pulls/{pull_number}`
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Path((owner, name, number)): Path<(String, String, u64)>,
) -> Answer {
    let view = blocking(move || view(&shared, &owner, &name, number));
    Ok(Json(view.await?).into_response())
}

/// `PATCH /repos/{owner}/{repo}/pulls/{pull_number}`
pub(super) async fn update(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name, number)): Path<(String, String, u64)>,
    KnownBody(changes): KnownBody<Changes>,
) -> Answer {
    let view = blocking(move || {
        let mut world = shared.write();
        let change = world.change_by(call.login()?);
        let repository = world
            .repository_mut(&owner, &name)
            .ok_or(ErrorResponse::NotFound)?;
        repository.pull(number).ok_or(ErrorResponse::NotFound)?;
        repository.edit(number, changes.title.as_deref(), changes.body.map(Some), &change)?;
        if let Some(base) = &changes.base {
            repository.set_base(number, base, &change)?;
        }
        if let Some(state) = changes.state {
            repository.set_state(number, state.into(), None, &change)?;
        }
        drop(world);
        view(&shared, &owner, &name, number)
    });
    Ok(Json(view.await?).into_response())
}

/// A single pull request, compared with its base by git.
fn view(shared: &Shared, owner: &str, name: &str, number: u64) -> Result<Value, ErrorResponse> {
    let (base, head) = shared.with_repository(owner, name, |repository| {
        let (_issue, pull) = repository.pull(number).ok_or(ErrorResponse::NotFound)?;
        Ok((pull.base_hash.clone(), pull.head_hash.clone()))
    })?;
    let comparison = bare_repository::compare(&shared.bare(owner, name)?, &base, &head)?;
    shared.with_repository(owner, name, |repository| {
        let (issue, pull) = repository.pull(number).ok_or(ErrorResponse::NotFound)?;
        Ok(views::pull(&shared.links, repository, issue, pull, comparison))
    })
}
