//! Health and overview.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use whim_core::protocol::status::{Health, Status};

use super::error::ApiError;
use crate::app::App;
use crate::status;

pub(super) async fn health(State(app): State<App>) -> (StatusCode, Json<Health>) {
    let health = status::health(&app).await;
    let status = if health.healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health))
}

pub(super) async fn status(State(app): State<App>) -> Result<Json<Status>, ApiError> {
    Ok(Json(status::status(&app).await?))
}
