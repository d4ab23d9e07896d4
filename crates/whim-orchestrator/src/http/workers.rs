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

pub(super) async fn list(State(app): State<App>) -> Result<Json<Workers>, ApiError> {
    Ok(Json(Workers {
        workers: db::workers::list(&app.database, ENDED_WORKERS).await?,
    }))
}

/// The body of `kill`: nothing, or an empty object.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kill {}

pub(super) async fn kill(
    State(app): State<App>,
    Id(id): Id<WorkerId>,
    OptionalJson(Kill {}): OptionalJson<Kill>,
) -> Result<Json<Worker>, ApiError> {
    Ok(Json(lifecycle::kill(&app, id).await?))
}
