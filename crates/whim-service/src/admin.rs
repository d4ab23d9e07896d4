//! The admin port: health, status, metrics and log level of a process, separate from its API.

use std::collections::BTreeMap;

use anyhow::Context as _;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::chain::chain;
use crate::metrics::{Metrics, UPKEEP_PERIOD};
use crate::readiness::Readiness;
use crate::reconcile::{Statuses, TaskStatus};
use crate::telemetry::LogLevels;

#[derive(Clone, Debug)]
pub struct Admin {
    /// Answers `/ready`.
    pub readiness: Readiness,
    /// Answers `/tasks`.
    pub statuses: Statuses,
    /// Answers `/log-level`.
    pub levels: LogLevels,
    /// Answers `/metrics`.
    pub metrics: Metrics,
}

/// `GET /live`, `GET /ready` (503 if not ready), `GET /tasks`, `GET /metrics` (for Prometheus), and `GET` or `PUT /log-level`
/// (the filter as plain text).
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/tasks", get(tasks))
        .route("/metrics", get(metrics))
        .route("/log-level", put(set_level).get(level))
        .with_state(admin)
}

/// Serves until `stop`.
///
/// The port has no authentication, so the listener must be on a loopback address.
///
/// # Errors
/// The listener is not on a loopback address, or serving failed.
pub async fn serve(listener: TcpListener, admin: Admin, stop: CancellationToken) -> anyhow::Result<()> {
    let address = listener
        .local_addr()
        .context("reading the address of the admin port")?;
    anyhow::ensure!(
        address.ip().is_loopback(),
        "the admin port has no authentication and must not be on {address}"
    );
    let metrics = admin.metrics.clone();
    let served = axum::serve(listener, router(admin)).with_graceful_shutdown(stop.cancelled_owned());
    tokio::select! {
        served = served => served.context("serving the admin port"),
        () = run_upkeep(&metrics) => Ok(()),
    }
}

/// Never returns.
async fn run_upkeep(metrics: &Metrics) {
    let mut ticks = tokio::time::interval(UPKEEP_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}

/// The content type contains the version of the text format.
async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        admin.metrics.render().await,
    )
}

async fn live() -> &'static str {
    "live\n"
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, Json<Value>) {
    let status = if admin.readiness.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(json!({ "ready": admin.readiness.is_ready(), "waitingFor": admin.readiness.waiting_for() })),
    )
}

async fn tasks(State(admin): State<Admin>) -> Json<BTreeMap<String, TaskStatus>> {
    Json(admin.statuses.snapshot())
}

async fn level(State(admin): State<Admin>) -> Result<String, (StatusCode, String)> {
    admin.levels.current().ok_or_else(|| {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the log subscriber is gone\n".to_owned(),
        )
    })
}

async fn set_level(State(admin): State<Admin>, level: String) -> Result<StatusCode, (StatusCode, String)> {
    let level = level.trim();
    admin.levels.set(level).map_err(|error| {
        let error = chain(&error);
        (StatusCode::BAD_REQUEST, format!("{error}\n"))
    })?;
    tracing::info!(level, "the log level is now {level}");
    Ok(StatusCode::NO_CONTENT)
}
