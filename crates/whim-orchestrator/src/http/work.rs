//! Routes of work items.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse as _, Response};
use whim_core::WorkItemId;
use whim_core::protocol::explain::Explanation;
use whim_core::protocol::work::{
    CancelWork, CreateWork, FailSpec, PutSpec, RequeueWork, SetPriority, WorkFilter, WorkItem, WorkPage,
};

use super::error::ApiError;
use super::extract::{Id, Json, OptionalJson, Query};
use super::page::Limit;
use crate::app::App;
use crate::db::{self, work_items};
use crate::work::{self, Submitted};

/// Submits an item.
///
/// With `spec` it is queued at once; with `description` a spec is written first. A second submission with the same `repo`,
/// `source` and `sourceRef` returns the existing item.
#[utoipa::path(post, path = "/api/work", tag = "work", request_body = CreateWork, responses((status = 201, description = "The new item", body = WorkItem), (status = 200, description = "The existing item with this `source` and `sourceRef`", body = WorkItem)))]
pub(super) async fn create_work(
    State(app): State<App>,
    Json(body): Json<CreateWork>,
) -> Result<Response, ApiError> {
    Ok(match work::submit(&app, body).await? {
        Submitted::New(item) => {
            let location = format!("/api/work/{}", item.id);
            (StatusCode::CREATED, [(LOCATION, location)], axum::Json(item)).into_response()
        }
        Submitted::Existing(item) => axum::Json(item).into_response(),
    })
}

/// One item, with its spec.
#[utoipa::path(get, path = "/api/work/{id}", tag = "work", params(("id" = WorkItemId, Path, description = "The work item")), responses((status = 200, description = "The item with spec and description", body = WorkItem)))]
pub(super) async fn get_work(
    State(app): State<App>,
    Id(id): Id<WorkItemId>,
) -> Result<axum::Json<WorkItem>, ApiError> {
    let mut item = work::find(&app, &app.database, id).await?;
    item.lock_conflicts = db::locks::conflicts_of(&app.database, id).await?;
    Ok(axum::Json(item))
}

/// Lists items, newest first.
#[utoipa::path(get, path = "/api/work", tag = "work", params(WorkFilter), responses((status = 200, description = "A page", body = WorkPage)))]
pub(super) async fn list_work(
    State(app): State<App>,
    Query(filter): Query<WorkFilter>,
) -> Result<axum::Json<WorkPage>, ApiError> {
    let limit = Limit::of(filter.limit)?;
    if let Some(source_ref) = &filter.source_ref {
        work::check_source_ref(source_ref)?;
    }
    let max_retries = work::max_retries(&app);
    let items = work_items::page(&app.database, &filter, limit.fetch(), max_retries).await?;
    let (items, next_cursor) = limit.cut(items, |item| item.id);
    Ok(axum::Json(WorkPage { items, next_cursor }))
}

/// Why an item is not running, in one sentence.
#[utoipa::path(get, path = "/api/work/{id}/explain", tag = "work", params(("id" = WorkItemId, Path, description = "The work item")), responses((status = 200, description = "The reason", body = Explanation)))]
pub(super) async fn explain_work(
    State(app): State<App>,
    Id(id): Id<WorkItemId>,
) -> Result<axum::Json<Explanation>, ApiError> {
    Ok(axum::Json(work::explain(&app, id).await?))
}

/// Cancels an item in any live state.
///
/// The worker of a running item is stopped.
#[utoipa::path(post, path = "/api/work/{id}/cancel", tag = "work", params(("id" = WorkItemId, Path, description = "The work item")), request_body = Option<CancelWork>, responses((status = 200, description = "The cancelled item", body = WorkItem)))]
pub(super) async fn cancel_work(
    State(app): State<App>,
    Id(id): Id<WorkItemId>,
    OptionalJson(body): OptionalJson<CancelWork>,
) -> Result<axum::Json<WorkItem>, ApiError> {
    Ok(axum::Json(work::cancel(&app, id, body).await?))
}

/// Starts another run of an ended item.
#[utoipa::path(post, path = "/api/work/{id}/requeue", tag = "work", params(("id" = WorkItemId, Path, description = "The work item")), request_body = Option<RequeueWork>, responses((status = 200, description = "The item in its next run", body = WorkItem)))]
pub(super) async fn requeue_work(
    State(app): State<App>,
    Id(id): Id<WorkItemId>,
    OptionalJson(body): OptionalJson<RequeueWork>,
) -> Result<axum::Json<WorkItem>, ApiError> {
    Ok(axum::Json(work::requeue(&app, id, body).await?))
}

/// Changes the priority of an item in any live state.
///
/// The item keeps its age: within the new priority, older items are before it.
#[utoipa::path(put, path = "/api/work/{id}/priority", tag = "work", params(("id" = WorkItemId, Path, description = "The work item")), request_body = SetPriority, responses((status = 200, description = "The item with its priority", body = WorkItem)))]
pub(super) async fn set_priority(
    State(app): State<App>,
    Id(id): Id<WorkItemId>,
    Json(body): Json<SetPriority>,
) -> Result<axum::Json<WorkItem>, ApiError> {
    Ok(axum::Json(work::set_priority(&app, id, body.priority).await?))
}

/// Submits the spec of an item that is `generating`.
#[utoipa::path(put, path = "/api/work/{id}/spec", tag = "work", params(("id" = WorkItemId, Path, description = "The work item")), request_body = PutSpec, responses((status = 200, description = "The queued item", body = WorkItem)))]
pub(super) async fn put_spec(
    State(app): State<App>,
    Id(id): Id<WorkItemId>,
    Json(body): Json<PutSpec>,
) -> Result<axum::Json<WorkItem>, ApiError> {
    Ok(axum::Json(work::submit_spec(&app, id, body).await?))
}

/// Reports that no spec could be written.
#[utoipa::path(post, path = "/api/work/{id}/spec/fail", tag = "work", params(("id" = WorkItemId, Path, description = "The work item")), request_body = FailSpec, responses((status = 200, description = "The item, which is deferred or has failed", body = WorkItem)))]
pub(super) async fn fail_spec(
    State(app): State<App>,
    Id(id): Id<WorkItemId>,
    Json(body): Json<FailSpec>,
) -> Result<axum::Json<WorkItem>, ApiError> {
    Ok(axum::Json(work::fail_spec(&app, id, body).await?))
}
