//! Workers, as the API lists them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::stats::WorkerStats;
use crate::{FailureCause, RepoName, Stage, WorkItemId, WorkerId, WorkerStatus};

/// `GET /api/workers?status=&limit=&cursor=`: newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkerFilter {
    /// Only workers in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<WorkerStatus>,
    /// Page size: 1 to 200, default 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 200))]
    pub limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<WorkerId>,
}

/// A page of workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkerPage {
    pub items: Vec<Worker>,
    /// Cursor of the next page; `null` on the last.
    pub next_cursor: Option<WorkerId>,
}

/// One attempt at a work item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Worker {
    pub id: WorkerId,
    pub work_item_id: WorkItemId,
    /// Repository of the work item.
    pub repo: RepoName,
    pub status: WorkerStatus,
    /// `null` unless it is running.
    pub stage: Option<Stage>,
    /// Current iteration, or the latest one; 0 before the first.
    pub iteration: u32,
    /// Limit of iterations.
    pub max_iterations: u32,
    /// Sums over the finished iterations.
    pub stats: WorkerStats,
    pub started_at: DateTime<Utc>,
    pub last_heartbeat_at: Option<DateTime<Utc>>,
    /// `null` when it has ended.
    pub lease_expires_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it ended without completing, for people.
    pub error: Option<String>,
    /// Why it ended without completing, for programs.
    pub failure_cause: Option<FailureCause>,
}
