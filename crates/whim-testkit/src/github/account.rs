//! The account of the caller and its rate limit.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;

use super::error_response::ErrorResponse;
use super::extract::{Answer, Call, Known};
use super::issues::PageQuery;
use super::shared::Shared;
use super::views;

/// A login without an account.
const NO_ACCOUNT: &str = "ghostless";

/// `GET /user`
pub(super) async fn user(State(shared): State<Arc<Shared>>, call: Call) -> Answer {
    let repositories = shared.read().repositories().count();
    Ok(Json(views::account(&shared.links, call.login()?, repositories)).into_response())
}

/// `GET /users/{username}`: every other login has an account.
pub(super) async fn user_by_name(State(shared): State<Arc<Shared>>, Path(login): Path<String>) -> Answer {
    if login == NO_ACCOUNT {
        return Err(ErrorResponse::NotFound);
    }
    Ok(Json(views::account(&shared.links, &login, 0)).into_response())
}

/// `GET /rate_limit`
pub(super) async fn rate_limit(call: Call) -> Answer {
    Ok(Json(call.standing.overview()).into_response())
}

/// `GET /orgs/{org}/teams/{team_slug}/members`
pub(super) async fn team_members(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((organization, slug)): Path<(String, String)>,
    Known(query): Known<PageQuery>,
) -> Answer {
    let world = shared.read();
    let team = format!("{organization}/{slug}").to_lowercase();
    let members = world.teams.get(&team).ok_or(ErrorResponse::NotFound)?;
    let views = members.iter().map(|login| views::user(&shared.links, login));
    Ok(query.page().of(views, &call.url))
}

/// `GET /repos/{owner}/{repo}/collaborators/{username}/permission`
pub(super) async fn permission(
    State(shared): State<Arc<Shared>>,
    Path((owner, name, login)): Path<(String, String, String)>,
) -> Answer {
    let world = shared.read();
    let repository = world.repository(&owner, &name).ok_or(ErrorResponse::NotFound)?;
    let login = world.account(&login).ok_or(ErrorResponse::NotFound)?;
    let role = repository.role(&login);
    Ok(Json(views::permission(&shared.links, role, &login)).into_response())
}
