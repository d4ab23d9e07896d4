//! Routes for the gateway.

use axum::extract::State;
use whim_core::protocol::costs::{ModelUsageRecorded, ReportModelUsage};
use whim_core::protocol::gateway::{FindAttempt, GatewayAttempt, ModelLimitReported, ReportModelLimit};

use super::error::ApiError;
use super::extract::Json;
use crate::app::App;
use crate::costs;
use crate::db::workers;
use crate::lifecycle;

/// Returns the live attempt that a token belongs to.
#[utoipa::path(post, path = "/api/gateway/attempts", tag = "gateway", request_body = FindAttempt, responses((status = 200, description = "The attempt", body = GatewayAttempt), (status = 404, description = "The token belongs to no live attempt", body = whim_core::protocol::ErrorBody)))]
pub(super) async fn find_attempt(
    State(app): State<App>,
    Json(FindAttempt { token_hash }): Json<FindAttempt>,
) -> Result<axum::Json<GatewayAttempt>, ApiError> {
    let found = workers::by_gateway_token(&app.work_database, token_hash).await?;
    found
        .map(axum::Json)
        .ok_or_else(|| ApiError::not_found("the token belongs to no live attempt".to_owned()))
}

/// Counts a limit of the model API against its circuit breaker.
#[utoipa::path(post, path = "/api/gateway/limits", tag = "gateway", request_body = ReportModelLimit, responses((status = 200, description = "Counted", body = ModelLimitReported), (status = 404, description = "There is no such worker", body = whim_core::protocol::ErrorBody)))]
pub(super) async fn report_model_limit(
    State(app): State<App>,
    Json(request): Json<ReportModelLimit>,
) -> Result<axum::Json<ModelLimitReported>, ApiError> {
    Ok(axum::Json(lifecycle::model_limit(&app, request).await?))
}

/// Stores what requests of agents cost.
#[utoipa::path(post, path = "/api/gateway/usage", tag = "gateway", request_body = ReportModelUsage, responses((status = 200, description = "Stored", body = ModelUsageRecorded)))]
pub(super) async fn report_model_usage(
    State(app): State<App>,
    Json(report): Json<ReportModelUsage>,
) -> Result<axum::Json<ModelUsageRecorded>, ApiError> {
    Ok(axum::Json(costs::record(&app, &report).await?))
}
