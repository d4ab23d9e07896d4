//! Health and overview.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use whim_core::protocol::status::{Health, Status};

use super::error::ApiError;
use crate::app::App;
use crate::status;

/// Whether everything that is needed answers; needs no key.
#[utoipa::path(get, path = "/health", tag = "status", security(()), responses((status = 200, description = "Everything that is needed answers", body = Health), (status = 503, description = "Something that is needed does not answer", body = Health)))]
pub(super) async fn health(State(app): State<App>) -> (StatusCode, Json<Health>) {
    let health = status::health(&app).await;
    let status = if health.healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health))
}

/// What Whim does, and why it does not do more.
#[utoipa::path(get, path = "/api/status", tag = "status", responses((status = 200, description = "The overview", body = Status)))]
pub(super) async fn status(State(app): State<App>) -> Result<Json<Status>, ApiError> {
    Ok(Json(status::status(&app).await?))
}
