//! Labels of a repository, and on its issues.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Deserialize;

use super::error_response::ErrorResponse;
use super::extract::{Answer, Call, Known, KnownBody, RepositoryPath};
use super::issues::PageQuery;
use super::shared::Shared;
use super::state::{Change, LabelFields, Repository};
use super::views;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLabel {
    name: String,
    color: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Names {
    #[serde(default)]
    labels: Vec<String>,
}

/// `GET /repos/{owner}/{repo}/labels`
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name)): Path<RepositoryPath>,
    Known(query): Known<PageQuery>,
) -> Answer {
    shared.with_repository(&owner, &name, |repository| {
        let labels = repository.labels.iter();
        let views = labels.map(|label| views::label(&shared.links, repository, label));
        Ok(query.page().of(views, &call.url))
    })
}

/// `POST /repos/{owner}/{repo}/labels`
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Path((owner, name)): Path<RepositoryPath>,
    KnownBody(new): KnownBody<NewLabel>,
) -> Answer {
    let mut world = shared.write();
    let repository = world
        .repository_mut(&owner, &name)
        .ok_or(ErrorResponse::NotFound)?;
    let NewLabel {
        name,
        color,
        description,
    } = new;
    let label = repository
        .create_label(LabelFields {
            name,
            color,
            description,
        })?
        .clone();
    Ok((
        StatusCode::CREATED,
        Json(views::label(&shared.links, repository, &label)),
    )
        .into_response())
}

/// `GET /repos/{owner}/{repo}/labels/{name}`
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Path((owner, name, label)): Path<(String, String, String)>,
) -> Answer {
    shared.with_repository(&owner, &name, |repository| {
        let label = repository.label(&label).ok_or(ErrorResponse::NotFound)?;
        Ok(Json(views::label(&shared.links, repository, label)).into_response())
    })
}

/// `GET /repos/{owner}/{repo}/issues/{issue_number}/labels`
pub(super) async fn list_on_issue(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name, number)): Path<(String, String, u64)>,
    Known(query): Known<PageQuery>,
) -> Answer {
    shared.with_repository(&owner, &name, |repository| {
        let issue = repository.issue(number).ok_or(ErrorResponse::NotFound)?;
        let labels = repository.labels_of(issue);
        let views = labels.map(|label| views::label(&shared.links, repository, label));
        Ok(query.page().of(views, &call.url))
    })
}

/// `POST /repos/{owner}/{repo}/issues/{issue_number}/labels`
pub(super) async fn add(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name, number)): Path<(String, String, u64)>,
    KnownBody(body): KnownBody<Names>,
) -> Answer {
    change_labels(&shared, &call, (&owner, &name, number), |repository, change| {
        repository.add_labels(number, &body.labels, change)
    })
}

/// `PUT /repos/{owner}/{repo}/issues/{issue_number}/labels`
pub(super) async fn set(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name, number)): Path<(String, String, u64)>,
    KnownBody(body): KnownBody<Names>,
) -> Answer {
    change_labels(&shared, &call, (&owner, &name, number), |repository, change| {
        repository.set_labels(number, &body.labels, change)
    })
}

/// `DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}`
pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name, number, label)): Path<(String, String, u64, String)>,
) -> Answer {
    change_labels(&shared, &call, (&owner, &name, number), |repository, change| {
        repository.remove_label(number, &label, change)
    })
}

/// Changes the labels of an issue and responds with the result.
fn change_labels(
    shared: &Shared,
    call: &Call,
    (owner, name, number): (&str, &str, u64),
    apply: impl FnOnce(&mut Repository, &Change) -> Result<(), ErrorResponse>,
) -> Answer {
    let mut world = shared.write();
    let change = world.change_by(call.login()?);
    let repository = world.repository_mut(owner, name).ok_or(ErrorResponse::NotFound)?;
    apply(repository, &change)?;
    let issue = repository.issue(number).ok_or(ErrorResponse::NotFound)?;
    Ok(Json(views::labels(&shared.links, repository, issue)).into_response())
}
