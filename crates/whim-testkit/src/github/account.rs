//! The account of the caller and its rate limit.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

use super::extract::{Answer, Call};
use super::shared::Shared;
use super::views;

/// `GET /user`
pub(super) async fn user(State(shared): State<Arc<Shared>>, call: Call) -> Answer {
    let repositories = shared.read().repositories().count();
    Ok(Json(views::account(&shared.links, call.login()?, repositories)).into_response())
}

/// `GET /rate_limit`
pub(super) async fn rate_limit(call: Call) -> Answer {
    Ok(Json(call.standing.overview()).into_response())
}
