//! The overview: queue, workers, limits.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::protocol::explain::BlockedReason;
use crate::protocol::intake::ReportedIntakeAccess;
use crate::protocol::queue::Pause;
use crate::protocol::work::WorkItem;
use crate::{FailureCause, Priority, WorkItemId, WorkItemStatus};

/// `GET /health`: 200 if the orchestrator is operational, else 503.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Whether every required dependency is available.
    pub healthy: bool,
    /// Required for everything.
    pub postgres: DependencyHealth,
    /// Required to start workers.
    pub redis: DependencyHealth,
    /// Required to start workers.
    pub runtime: DependencyHealth,
    /// As reported by workers. Does not count in `healthy`: a usage limit is not a defect.
    #[serde(default = "DependencyHealth::unknown")]
    pub model: DependencyHealth,
    /// As reported by workers. Does not count in `healthy`.
    #[serde(default = "DependencyHealth::unknown")]
    pub github: DependencyHealth,
}

/// Whether a dependency is available.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DependencyHealth {
    pub healthy: bool,
    /// Its description, or why it is unavailable. Contains no secrets.
    pub message: String,
}

impl DependencyHealth {
    /// A dependency with no known problem.
    pub fn unknown() -> Self {
        Self {
            healthy: true,
            message: "no problem reported".to_owned(),
        }
    }
}

/// `GET /api/queue?limit=&cursor=`: waiting items, in the order in which they will be claimed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// The first items, without their wide texts: first those that may be taken now, in that order.
    pub items: Vec<WorkItem>,
    /// How many items there are in each state.
    pub by_status: BTreeMap<WorkItemStatus, u64>,
    /// How many items are queued, by priority.
    pub by_priority: BTreeMap<Priority, u64>,
    /// Cursor of the next page; `null` on the last.
    #[serde(default)]
    pub next_cursor: Option<WorkItemId>,
}

/// `GET /api/status`: the running work, and the reasons why no more is started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Version of the orchestrator.
    pub version: String,
    /// Number of items in each state.
    pub items: BTreeMap<WorkItemStatus, u64>,
    pub workers: Slots,
    pub budget: Budget,
    pub cooldown: Cooldown,
    /// `null` if the queue is not paused.
    #[serde(default)]
    pub paused: Option<Pause>,
    pub runtime: RuntimeStatus,
    /// Open circuit breakers.
    #[serde(default)]
    pub breakers: Vec<Breaker>,
    /// What the credentials of the intake may do; `null` if it has not reported yet.
    #[serde(default)]
    pub intake: Option<ReportedIntakeAccess>,
    /// Why no worker is started for any item, the most general reason first; empty if the next item would start.
    pub blocked_reasons: Vec<BlockedReason>,
    /// Problems for the operator, one or two sentences each.
    pub warnings: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Slots {
    /// Live workers.
    pub active: u32,
    /// `MAX_WORKERS`.
    pub max: u32,
}

/// Iterations of the UTC day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// `DAILY_BUDGET`.
    pub limit: u32,
    pub used: u32,
    /// For live workers.
    pub reserved: u32,
    /// Neither used nor reserved.
    pub remaining: u32,
    pub resets_at: DateTime<Utc>,
}

/// The shortest time between two starts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Cooldown {
    /// `COOLDOWN_SECONDS`.
    pub seconds: f64,
    /// `null` if it is not running.
    pub ends_at: Option<DateTime<Utc>>,
}

/// An open circuit breaker: work that depends on its subject is not started. Items that it defers spend no retry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Breaker {
    pub subject: BreakerSubject,
    /// The credential of the model API (by the name of its setting), the orchestrator instance of a runtime, or the
    /// repository; `null` for GitHub.
    pub name: Option<String>,
    /// Of the latest failure.
    pub cause: FailureCause,
    /// For people: the problem, and what happens next.
    pub explanation: String,
    /// Consecutive failures, without those while it was open.
    pub failures: u32,
    pub since: DateTime<Utc>,
    /// When a worker probes; with `hasFixedExpiry`, when it closes.
    pub retry_at: DateTime<Utc>,
    /// Whether it closes at `retryAt` without a probe.
    pub has_fixed_expiry: bool,
    /// Whether a worker is probing.
    pub half_open: bool,
    /// Whether a credential is rejected, so that waiting does not help.
    pub operator_action_required: bool,
}

/// What a circuit breaker protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "sqlx",
    derive(sqlx::Type),
    sqlx(type_name = "breaker_subject", rename_all = "snake_case")
)]
#[serde(rename_all = "snake_case")]
pub enum BreakerSubject {
    /// The model API, with one credential.
    Model,
    #[serde(rename = "github")]
    #[cfg_attr(feature = "sqlx", sqlx(rename = "github"))]
    GitHub,
    /// The runtime of one orchestrator instance.
    Runtime,
    /// One repository: its workers crash, their image is missing, or it cannot be fetched.
    Repository,
}

impl BreakerSubject {
    pub const ALL: [Self; 4] = [Self::Model, Self::GitHub, Self::Runtime, Self::Repository];

    /// Name in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::GitHub => "github",
            Self::Runtime => "runtime",
            Self::Repository => "repository",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RuntimeStatus {
    /// `process` or `docker`.
    pub kind: String,
    /// Whether it answers.
    pub healthy: bool,
    /// Its description, or why it is unavailable.
    pub message: String,
}
