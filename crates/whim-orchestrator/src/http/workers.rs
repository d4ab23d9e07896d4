//! Workers, as people see them.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use whim_core::WorkerId;
use whim_core::protocol::status::{Worker, Workers};

use super::error::ApiError;
use super::extract::{Id, OptionalJson};
use crate::app::App;
use crate::{db, lifecycle};

/// How many workers that have ended are listed.
const ENDED_WORKERS: i64 = 100;

/// The workers that live, and the latest that ended.
#[utoipa::path(get, path = "/api/workers", tag = "workers", responses((status = 200, description = "The workers", body = Workers)))]
pub(super) async fn workers(State(app): State<App>) -> Result<Json<Workers>, ApiError> {
    Ok(Json(Workers {
        workers: db::workers::list(&app.database, ENDED_WORKERS).await?,
    }))
}

/// The body of `kill`: nothing, or an empty object.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Kill {}

/// Ends a worker; its item is tried again.
#[utoipa::path(post, path = "/api/workers/{id}/kill", tag = "workers", params(("id" = WorkerId, Path, description = "The worker")), request_body = Option<Kill>, responses((status = 200, description = "The worker, which has ended", body = Worker)))]
pub(super) async fn kill_worker(
    State(app): State<App>,
    Id(id): Id<WorkerId>,
    OptionalJson(Kill {}): OptionalJson<Kill>,
) -> Result<Json<Worker>, ApiError> {
    Ok(Json(lifecycle::kill(&app, id).await?))
}
