//! Workers, as the API lists them.

use chrono::{DateTime, Utc};
use ralph_contract::IterationStats;
use serde::{Deserialize, Serialize};

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

/// A worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Worker {
    /// Its identifier.
    pub id: WorkerId,
    /// What it works on.
    pub work_item_id: WorkItemId,
    /// The repository of that.
    pub repo: RepoName,
    /// Its state.
    pub status: WorkerStatus,
    /// What it is doing, while it runs.
    pub stage: Option<Stage>,
    /// The iteration that it is in.
    pub iteration: u32,
    /// How many iterations it may use.
    pub max_iterations: u32,
    /// The sums over the iterations that are done.
    pub stats: IterationStats,
    /// When it was started.
    pub started_at: DateTime<Utc>,
    /// When it last gave a sign of life.
    pub last_heartbeat_at: Option<DateTime<Utc>>,
    /// When its lease ends unless it is renewed.
    pub lease_expires_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it ended, when it did not complete.
    pub error: Option<String>,
    /// Why it ended, for a program.
    pub failure_cause: Option<FailureCause>,
}
