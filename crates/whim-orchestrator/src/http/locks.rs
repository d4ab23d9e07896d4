//! Routes of file locks.

use axum::Json;
use axum::extract::State;
use whim_core::protocol::locks::{LockFilter, LockPage};
use whim_core::{RelativePath, WorkerId};

use super::error::ApiError;
use super::extract::Query;
use super::page::Limit;
use crate::app::App;
use crate::db;

/// Lists locked files and their holders.
#[utoipa::path(get, path = "/api/locks", tag = "workers", params(LockFilter), responses((status = 200, description = "A page", body = LockPage)))]
pub(super) async fn locks(
    State(app): State<App>,
    Query(filter): Query<LockFilter>,
) -> Result<Json<LockPage>, ApiError> {
    let limit = Limit::of(filter.limit)?;
    let after = filter.cursor.as_deref().map(place).transpose()?;
    let after = after.as_ref().map(|(worker, file)| (*worker, file.as_str()));
    let items = db::locks::page(&app.database, &filter, after, limit.fetch()).await?;
    let (items, next_cursor) = limit.cut(items, |last| format!("{}/{}", last.worker_id, last.path));
    Ok(Json(LockPage { items, next_cursor }))
}

/// The worker and the file of the last item of the previous page.
fn place(cursor: &str) -> Result<(WorkerId, RelativePath), ApiError> {
    cursor
        .split_once('/')
        .and_then(|(worker, file)| Some((worker.parse().ok()?, file.parse().ok()?)))
        .ok_or_else(|| {
            let problem = format!("was {cursor:?}; expected the nextCursor of the previous page");
            ApiError::invalid("cursor", problem)
        })
}
