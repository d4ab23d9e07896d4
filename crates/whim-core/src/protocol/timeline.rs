//! The attempts of an item: what happened when, and what it cost.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::checks::TestReport;
use super::notes::Note;
use super::reviews::Review;
use super::stats::WorkerStats;
use crate::{CommitHash, FailureCause, IssueNumber, LeaseEpoch, Stage, WorkerId, WorkerStatus};

/// `GET /api/work/:id/timeline?limit=&cursor=`: newest attempt first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TimelineFilter {
    /// Page size: 1 to 50, default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 50))]
    pub limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<LeaseEpoch>,
}

/// A page of attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    pub items: Vec<TimelineAttempt>,
    /// Cursor of the next page; `null` on the last.
    pub next_cursor: Option<LeaseEpoch>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TimelineAttempt {
    pub lease_epoch: LeaseEpoch,
    pub worker_id: WorkerId,
    pub status: WorkerStatus,
    /// When the item was claimed.
    pub started_at: DateTime<Utc>,
    /// When the worker was ready; `null` if it never was.
    pub registered_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it ended without completing, for programs.
    pub failure_cause: Option<FailureCause>,
    /// Why it ended without completing, for people.
    pub error: Option<String>,
    /// Limit of iterations.
    pub max_iterations: u32,
    /// In the order in which they were entered.
    pub stages: Vec<TimelineStage>,
    pub iterations: Vec<TimelineIteration>,
    /// Commits of the agent.
    pub commits: Vec<TimelineCommit>,
    pub pushes: Vec<TimelinePush>,
    /// Result of the project's tests; `null` if they did not run.
    pub tests: Option<TestReport>,
    /// Without findings.
    pub reviews: Vec<Review>,
    /// Notes of people that no agent had before this attempt.
    pub notes: Vec<Note>,
    /// The pull request that this attempt opened or found.
    pub pull_request: Option<TimelinePullRequest>,
    /// Sums over the finished iterations.
    pub stats: WorkerStats,
    pub cost: TimelineCost,
    /// Number of entries of the transcript that were stored.
    pub transcript_entries: u64,
    /// Whether stages, iterations, commits or pushes are missing: they are older than `EVENT_RETENTION_DAYS`, or there
    /// are more than 1000.
    pub is_incomplete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TimelineStage {
    pub stage: Stage,
    /// By the worker's clock.
    pub started_at: DateTime<Utc>,
    /// `null` while the worker is in this stage.
    pub ended_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TimelineIteration {
    /// From 1.
    pub number: u32,
    /// By the worker's clock.
    pub started_at: Option<DateTime<Utc>>,
    /// `null` while it runs, or if it was interrupted.
    pub ended_at: Option<DateTime<Utc>>,
    /// `null` while it runs, or if it was interrupted.
    pub duration_ms: Option<u64>,
    /// Usage of this iteration; `null` while it runs, or if it was interrupted.
    pub stats: Option<WorkerStats>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TimelineCommit {
    pub hash: String,
    /// First line of the commit message.
    pub message: String,
    /// When it was noticed, by the worker's clock.
    pub occurred_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TimelinePush {
    pub head_sha: CommitHash,
    /// By the worker's clock.
    pub occurred_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TimelinePullRequest {
    pub url: String,
    #[cfg_attr(feature = "openapi", schema(value_type = u64, minimum = 1))]
    pub number: IssueNumber,
    /// By the worker's clock.
    pub occurred_at: DateTime<Utc>,
}

/// Cost in US dollars, as the harness reported it, by stage. The other stages call no model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TimelineCost {
    /// Of finished iterations.
    pub working_usd: f64,
    pub reviewing_usd: f64,
    pub total_usd: f64,
}
