//! Comments on issues and pull requests.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::error_response::ErrorResponse;
use super::extract::{Answer, Call, Known, KnownBody};
use super::issues::PageQuery;
use super::pages::Page;
use super::shared::Shared;
use super::state::Repository;
use super::views;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    since: Option<DateTime<Utc>>,
    page: Option<usize>,
    per_page: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Text {
    body: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewReaction {
    content: String,
}

/// `GET /repos/{owner}/{repo}/issues/{issue_number}/comments`, oldest first
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name, number)): Path<(String, String, u64)>,
    Known(query): Known<ListQuery>,
) -> Answer {
    shared.with_repository(&owner, &name, |repository| {
        let issue = repository.issue(number).ok_or(ErrorResponse::NotFound)?;
        let comments = issue.comments.iter();
        let comments = comments.filter(|it| query.since.is_none_or(|since| since <= it.updated_at));
        let views = comments.map(|comment| views::comment(&shared.links, repository, issue, comment));
        Ok(Page::new(query.page, query.per_page).of(views, &call.url))
    })
}

/// `POST /repos/{owner}/{repo}/issues/{issue_number}/comments`
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name, number)): Path<(String, String, u64)>,
    KnownBody(text): KnownBody<Text>,
) -> Answer {
    let mut world = shared.write();
    let change = world.change_by(call.login()?);
    let repository = world
        .repository_mut(&owner, &name)
        .ok_or(ErrorResponse::NotFound)?;
    let id = repository.comment(number, text.body, &change)?;
    Ok((StatusCode::CREATED, Json(view(&shared, repository, number, id)?)).into_response())
}

/// `PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}`
pub(super) async fn update(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name, id)): Path<(String, String, u64)>,
    KnownBody(text): KnownBody<Text>,
) -> Answer {
    let mut world = shared.write();
    let change = world.change_by(call.login()?);
    let repository = world
        .repository_mut(&owner, &name)
        .ok_or(ErrorResponse::NotFound)?;
    let number = repository.edit_comment(id, text.body, &change)?;
    Ok(Json(view(&shared, repository, number, id)?).into_response())
}

/// `GET /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions`
pub(super) async fn reactions(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name, id)): Path<(String, String, u64)>,
    Known(query): Known<PageQuery>,
) -> Answer {
    shared.with_repository(&owner, &name, |repository| {
        let comment = repository.find_comment(id).ok_or(ErrorResponse::NotFound)?;
        let views = comment.reactions.iter();
        let views = views.map(|reaction| views::reaction(&shared.links, reaction));
        Ok(query.page().of(views, &call.url))
    })
}

/// `POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions`
pub(super) async fn react(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name, id)): Path<(String, String, u64)>,
    KnownBody(new): KnownBody<NewReaction>,
) -> Answer {
    let mut world = shared.write();
    let change = world.change_by(call.login()?);
    let repository = world
        .repository_mut(&owner, &name)
        .ok_or(ErrorResponse::NotFound)?;
    let (is_new, reaction) = repository.react(id, &new.content, &change)?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(views::reaction(&shared.links, &reaction))).into_response())
}

fn view(shared: &Shared, repository: &Repository, number: u64, id: u64) -> Result<Value, ErrorResponse> {
    let issue = repository.issue(number).ok_or(ErrorResponse::NotFound)?;
    let comment = issue
        .comments
        .iter()
        .find(|comment| comment.id == id)
        .ok_or(ErrorResponse::NotFound)?;
    Ok(views::comment(&shared.links, repository, issue, comment))
}
