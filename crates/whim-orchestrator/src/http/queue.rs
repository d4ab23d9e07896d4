//! Routes of the queue.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use whim_core::WorkItemId;
use whim_core::protocol::queue::{PauseQueue, QueueState};
use whim_core::protocol::status::Queue;

use super::error::ApiError;
use super::extract::{OptionalJson, Query};
use super::page::Limit;
use crate::app::App;
use crate::db::work_items;
use crate::{dispatch, work};

#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct QueueQuery {
    /// Length of the page: 1 to 200, default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `nextCursor` of the previous page.
    cursor: Option<WorkItemId>,
}

/// Lists queued items in the order in which they are claimed, with counts by status and priority.
#[utoipa::path(get, path = "/api/queue", tag = "queue", params(QueueQuery), responses((status = 200, description = "A page of the queue", body = Queue)))]
pub(super) async fn queue(
    State(app): State<App>,
    Query(query): Query<QueueQuery>,
) -> Result<Json<Queue>, ApiError> {
    let limit = Limit::of(query.limit)?;
    let (db, max_retries) = (&app.database, work::max_retries(&app));
    let items = work_items::queue(db, query.cursor, limit.fetch(), max_retries).await?;
    let (items, next_cursor) = limit.cut(items, |item| item.id);
    Ok(Json(Queue {
        items,
        by_status: work_items::by_status(db).await?,
        by_priority: work_items::by_priority(db).await?,
        next_cursor,
    }))
}

/// Pauses the queue: no worker is started until it is resumed; running workers continue.
///
/// The pause survives restarts and applies to every orchestrator. Pausing a paused queue changes nothing.
#[utoipa::path(post, path = "/api/queue/pause", tag = "queue", request_body = Option<PauseQueue>, responses((status = 200, description = "The queue is paused", body = QueueState)))]
pub(super) async fn pause_queue(
    State(app): State<App>,
    OptionalJson(body): OptionalJson<PauseQueue>,
) -> Result<Json<QueueState>, ApiError> {
    Ok(Json(dispatch::pause(&app, body).await?))
}

/// No fields are expected.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Resume {}

/// Resumes the queue.
#[utoipa::path(post, path = "/api/queue/resume", tag = "queue", request_body = Option<Resume>, responses((status = 200, description = "The queue is not paused", body = QueueState)))]
pub(super) async fn resume_queue(
    State(app): State<App>,
    OptionalJson(Resume {}): OptionalJson<Resume>,
) -> Result<Json<QueueState>, ApiError> {
    Ok(Json(dispatch::resume(&app).await?))
}
