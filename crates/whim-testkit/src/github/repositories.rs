//! Repositories, their branches and references.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;

use super::access::Access;
use super::bare_repository;
use super::error_response::ErrorResponse;
use super::extract::{Answer, Call, RepositoryPath, blocking};
use super::shared::Shared;
use super::views;

/// `GET /repos/{owner}/{repo}`
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((owner, name)): Path<RepositoryPath>,
) -> Answer {
    let push = call
        .identity
        .is_some_and(|identity| identity.permissions.contents == Access::Write);
    let view = shared.with_repository(&owner, &name, |repository| {
        Ok(views::repository_in_full(&shared.links, repository, push))
    })?;
    Ok(Json(view).into_response())
}

/// `GET /repos/{owner}/{repo}/branches/{branch}`
pub(super) async fn branch(
    State(shared): State<Arc<Shared>>,
    Path((owner, name, branch)): Path<(String, String, String)>,
) -> Answer {
    let view = blocking(move || {
        let bare = shared.bare(&owner, &name)?;
        let hash = bare
            .branches()?
            .get(&branch)
            .cloned()
            .ok_or(ErrorResponse::NotFound)?;
        let details = bare_repository::commit_details(&bare, &hash)?;
        shared.with_repository(&owner, &name, |repository| {
            Ok(views::branch(&shared.links, repository, &branch, &details))
        })
    });
    Ok(Json(view.await?).into_response())
}

/// `GET /repos/{owner}/{repo}/rules/branches/{branch}`; the branch need not exist.
pub(super) async fn rules(
    State(shared): State<Arc<Shared>>,
    Path((owner, name, branch)): Path<(String, String, String)>,
) -> Answer {
    let view = shared.with_repository(&owner, &name, |repository| {
        Ok(views::rules_of_branch(repository, &branch))
    })?;
    Ok(Json(view).into_response())
}

/// `GET /repos/{owner}/{repo}/rulesets/{ruleset_id}`
pub(super) async fn ruleset(
    State(shared): State<Arc<Shared>>,
    Path((owner, name, id)): Path<(String, String, u64)>,
) -> Answer {
    let view = shared.with_repository(&owner, &name, |repository| {
        if id != repository.id {
            return Err(ErrorResponse::NotFound);
        }
        Ok(views::ruleset(repository))
    })?;
    Ok(Json(view).into_response())
}

/// `GET /repos/{owner}/{repo}/git/ref/{ref}`, of which the fake knows `heads/{branch}`
pub(super) async fn reference(
    State(shared): State<Arc<Shared>>,
    Path((owner, name, reference)): Path<(String, String, String)>,
) -> Answer {
    let view = blocking(move || {
        let branch = reference.strip_prefix("heads/").ok_or(ErrorResponse::NotFound)?;
        let branches = shared.bare(&owner, &name)?.branches()?;
        let hash = branches.get(branch).ok_or(ErrorResponse::NotFound)?;
        shared.with_repository(&owner, &name, |repository| {
            Ok(views::reference(&shared.links, repository, branch, hash))
        })
    });
    Ok(Json(view.await?).into_response())
}
