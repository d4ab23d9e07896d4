//! Routes of health and overview.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use whim_core::protocol::status::{Health, Status};

use super::error::ApiError;
use crate::app::App;
use crate::status;

/// Reports whether every required dependency is available. Needs no key.
#[utoipa::path(get, path = "/health", tag = "status", security(()), responses((status = 200, description = "Every required dependency is available", body = Health), (status = 503, description = "A required dependency is unavailable", body = Health)))]
pub(super) async fn health(State(app): State<App>) -> (StatusCode, Json<Health>) {
    let health = status::health(&app).await;
    let status = if health.healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health))
}

/// Reports what is running, the limits, and why nothing new is started.
#[utoipa::path(get, path = "/api/status", tag = "status", responses((status = 200, description = "The overview", body = Status)))]
pub(super) async fn status(State(app): State<App>) -> Result<Json<Status>, ApiError> {
    Ok(Json(status::status(&app).await?))
}
