//! Background tasks of a running program.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `GET /api/tasks`: the reconcilers of the orchestrator that answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BackgroundTasks {
    /// By name.
    pub tasks: Vec<BackgroundTask>,
}

/// A reconciler: it runs periodically and whenever there may be something to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BackgroundTask {
    pub name: String,
    /// Seconds between periodic runs.
    pub period_seconds: f64,
    /// Runs since the start of the program, the running one included.
    pub runs: u64,
    /// Consecutive failed runs, up to the last one.
    pub failures_in_a_row: u64,
    /// Start of the run in progress.
    pub running_since: Option<DateTime<Utc>>,
    pub last_run: Option<TaskRun>,
}

/// A run that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskRun {
    pub started_at: DateTime<Utc>,
    pub duration_seconds: f64,
    /// What the run did; its fields depend on the task. `null` if it failed.
    pub report: Value,
    /// Why it failed, with all causes.
    pub error: Option<String>,
}
