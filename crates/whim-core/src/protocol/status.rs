//! The overview: queue, workers, limits.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::protocol::queue::Pause;
use crate::protocol::work::WorkItem;
use crate::{FailureCause, Priority, WorkItemId, WorkItemStatus};

/// `GET /health`: 200 when the orchestrator can do its work, else 503.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Whether everything that is needed answers.
    pub healthy: bool,
    /// Whether Postgres answers: without it nothing works.
    pub postgres: DependencyHealth,
    /// Whether Redis answers: without it nothing new is started.
    pub redis: DependencyHealth,
    /// Whether workers can be started.
    pub runtime: DependencyHealth,
    /// Whether the model API works for Whim, as far as its workers told. Does not count in `healthy`: a limit that was
    /// reached is no defect.
    #[serde(default = "DependencyHealth::unknown")]
    pub model: DependencyHealth,
    /// Whether GitHub works for Whim, as far as its workers told. Does not count in `healthy`.
    #[serde(default = "DependencyHealth::unknown")]
    pub github: DependencyHealth,
}

/// Whether a part answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DependencyHealth {
    /// Whether it answers.
    pub healthy: bool,
    /// What it is, or why it does not answer, in a few words that reveal no secret.
    pub message: String,
}

impl DependencyHealth {
    /// A part of which nothing bad is known.
    pub fn unknown() -> Self {
        Self {
            healthy: true,
            message: "nothing bad was told".to_owned(),
        }
    }
}

/// `GET /api/queue?limit=&cursor=`: what waits, in the order in which it will be taken.
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
    /// Where the next page begins; `null` on the last.
    #[serde(default)]
    pub next_cursor: Option<WorkItemId>,
}

/// `GET /api/status`: what Whim does, and why it does not do more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The orchestrator's version.
    pub version: String,
    /// How many items there are in each state.
    pub items: BTreeMap<WorkItemStatus, u64>,
    /// The worker slots.
    pub workers: Slots,
    /// The day's iterations.
    pub budget: Budget,
    /// The pause between two starts.
    pub cooldown: Cooldown,
    /// The pause that a person asked for; `null` when the queue is not paused.
    #[serde(default)]
    pub paused: Option<Pause>,
    /// What starts workers.
    pub runtime: RuntimeStatus,
    /// Parts that failed too often and are spared for a time, with everything that needs them.
    #[serde(default)]
    pub breakers: Vec<Breaker>,
    /// Why nothing new is started at the moment, in one sentence each; empty when the next item would start at once.
    pub blocked_reasons: Vec<String>,
    /// What the owner should look at, in one sentence each.
    pub warnings: Vec<String>,
}

/// The worker slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Slots {
    /// Workers that live.
    pub active: u32,
    /// How many may live at once (`MAX_WORKERS`).
    pub max: u32,
}

/// The day's iterations (`DAILY_BUDGET`); a day is a UTC day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// How many there are a day.
    pub limit: u32,
    /// How many were used today.
    pub used: u32,
    /// How many are reserved for workers that live.
    pub reserved: u32,
    /// How many a new worker could still get.
    pub remaining: u32,
    /// When the next day begins.
    pub resets_at: DateTime<Utc>,
}

/// The pause between two starts (`COOLDOWN_SECONDS`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Cooldown {
    /// How long it is, in seconds.
    pub seconds: f64,
    /// When it is over, if it is running.
    pub ends_at: Option<DateTime<Utc>>,
}

/// An open breaker: something failed too often, and what needs it is not started before it was tried again. It spends
/// no retry of any item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Breaker {
    /// What failed.
    pub subject: BreakerSubject,
    /// Which of them: an instance of the runtime or a repository; `null` where there is only one.
    pub name: Option<String>,
    /// Why, for a program.
    pub cause: FailureCause,
    /// Why, for a person: one sentence with what ends it.
    pub explanation: String,
    /// Failures in a row, without those of workers that ran already.
    pub failures: u32,
    /// Since when nothing is started.
    pub since: DateTime<Utc>,
    /// When it is tried again; with `hasFixedExpiry`, when it is over.
    pub retry_at: DateTime<Utc>,
    /// Whether it is over at `until`; else one worker tries then, and the rest follows when that works.
    pub has_fixed_expiry: bool,
    /// Whether a worker is trying now.
    pub half_open: bool,
    /// Whether credentials are refused: a person has to mend them.
    pub operator_action_required: bool,
}

/// What a breaker spares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "sqlx",
    derive(sqlx::Type),
    sqlx(type_name = "breaker_subject", rename_all = "snake_case")
)]
#[serde(rename_all = "snake_case")]
pub enum BreakerSubject {
    /// The model API: every item needs it.
    Model,
    /// GitHub: every item needs it.
    #[serde(rename = "github")]
    #[cfg_attr(feature = "sqlx", sqlx(rename = "github"))]
    GitHub,
    /// What starts workers, of one orchestrator instance.
    Runtime,
    /// One repository, in which one worker after the other crashes.
    Repository,
}

impl BreakerSubject {
    /// Every subject.
    pub const ALL: [Self; 4] = [Self::Model, Self::GitHub, Self::Runtime, Self::Repository];

    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::GitHub => "github",
            Self::Runtime => "runtime",
            Self::Repository => "repository",
        }
    }
}

/// What starts workers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RuntimeStatus {
    /// `process` or `docker`.
    pub kind: String,
    /// Whether it answers.
    pub healthy: bool,
    /// What it is, or why it does not answer.
    pub message: String,
}
