//! Records the calls of the intake.

use axum::extract::{Request, State};
use axum::http::header::USER_AGENT;
use axum::middleware::Next;
use axum::response::Response;

use crate::app::App;

const INTAKE: &str = "whim-intake";

/// Records the request if the intake sent it. Place it behind the check of the API key.
pub(super) async fn record(State(app): State<App>, request: Request, next: Next) -> Response {
    let agent = request.headers().get(USER_AGENT);
    if agent.is_some_and(|agent| agent.as_bytes().starts_with(INTAKE.as_bytes())) {
        app.intake_activity.record().await;
    }
    next.run(request).await
}
