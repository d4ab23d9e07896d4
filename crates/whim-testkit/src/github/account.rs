//! The account of the caller and its rate limit.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;

use super::error_response::ErrorResponse;
use super::extract::{Answer, Call};
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
