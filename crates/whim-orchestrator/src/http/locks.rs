//! The files that workers have locked.

use axum::Json;
use axum::extract::State;
use whim_core::WorkerId;
use whim_core::protocol::locks::{LockFilter, LockPage};

use super::error::ApiError;
use super::extract::Query;
use super::page::Limit;
use crate::app::App;
use crate::db;

/// The files that workers have locked, and who holds them.
#[utoipa::path(get, path = "/api/locks", tag = "workers", params(LockFilter), responses((status = 200, description = "A page", body = LockPage)))]
pub(super) async fn locks(
    State(app): State<App>,
    Query(filter): Query<LockFilter>,
) -> Result<Json<LockPage>, ApiError> {
    let limit = Limit::of(filter.limit)?;
    let after = filter.cursor.as_deref().map(place).transpose()?;
    let items = db::locks::page(&app.database, &filter, after, limit.fetch()).await?;
    let (items, next_cursor) = limit.cut(items, |last| format!("{}/{}", last.worker_id, last.path));
    Ok(Json(LockPage { items, next_cursor }))
}

/// The worker and the file that a page ended with.
fn place(cursor: &str) -> Result<(WorkerId, &str), ApiError> {
    cursor
        .split_once('/')
        .and_then(|(worker, file)| Some((worker.parse().ok()?, file)))
        .ok_or_else(|| ApiError::invalid("cursor", "expected the nextCursor of the page before"))
}
