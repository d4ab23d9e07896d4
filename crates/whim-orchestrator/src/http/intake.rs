//! Routes of the intake.

use axum::extract::State;
use axum::http::StatusCode;
use whim_core::protocol::intake::IntakeAccess;

use super::error::ApiError;
use super::extract::Json as JsonBody;
use crate::app::App;
use crate::intake_access;

/// Reports what the intake may do with its credentials, for `/api/status`.
#[utoipa::path(put, path = "/api/intake/access", tag = "intake", request_body = IntakeAccess, responses((status = 204, description = "Stored")))]
pub(super) async fn report_intake_access(
    State(app): State<App>,
    JsonBody(body): JsonBody<IntakeAccess>,
) -> Result<StatusCode, ApiError> {
    intake_access::report(&app, &body).await?;
    Ok(StatusCode::NO_CONTENT)
}
