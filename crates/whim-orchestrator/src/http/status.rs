//! Routes of health, overview and background tasks.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;
use whim_core::protocol::status::{Health, Status};
use whim_core::protocol::tasks::{BackgroundTask, BackgroundTasks, TaskRun};
use whim_service::reconcile::{LastRun, Outcome, TaskStatus};

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

/// Lists the background tasks of this orchestrator with their last reports.
#[utoipa::path(get, path = "/api/tasks", tag = "status", responses((status = 200, description = "The tasks", body = BackgroundTasks)))]
pub(super) async fn tasks(State(app): State<App>) -> Json<BackgroundTasks> {
    let tasks = app.tasks.snapshot().into_iter();
    Json(BackgroundTasks {
        tasks: tasks.map(|(name, status)| task(name, status)).collect(),
    })
}

fn task(name: String, status: TaskStatus) -> BackgroundTask {
    let TaskStatus {
        period_ms,
        runs,
        failures_in_a_row,
        running,
        last,
    } = status;
    BackgroundTask {
        name,
        period_seconds: seconds(period_ms),
        runs,
        failures_in_a_row,
        running_since: running.map(|run| run.started_at),
        last_run: last.map(ended),
    }
}

fn ended(run: LastRun) -> TaskRun {
    let (report, error) = match run.outcome {
        Outcome::Done(report) => (report, None),
        Outcome::Failed { error } => (Value::Null, Some(error)),
    };
    TaskRun {
        started_at: run.started_at,
        duration_seconds: seconds(run.duration_ms),
        report,
        error,
    }
}

fn seconds(milliseconds: u64) -> f64 {
    Duration::from_millis(milliseconds).as_secs_f64()
}
