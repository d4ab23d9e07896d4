//! Routes for the gateway.

use axum::extract::State;
use whim_core::protocol::gateway::{FindAttempt, GatewayAttempt};

use super::error::ApiError;
use super::extract::Json;
use crate::app::App;
use crate::db::workers;

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
