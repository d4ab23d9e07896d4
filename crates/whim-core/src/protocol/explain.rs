//! Why an item is not running, and why no worker is started.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{WorkItemId, WorkItemStatus};

/// `GET /api/work/:id/explain`: why an item is not running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    pub id: WorkItemId,
    pub status: WorkItemStatus,
    pub reason_code: ReasonCode,
    /// For people: one or two sentences.
    pub explanation: String,
    /// When the reason ends or the item is retried, if that is known.
    pub retry_at: Option<DateTime<Utc>>,
}

/// Why no worker is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BlockedReason {
    pub code: ReasonCode,
    /// For people: one or two sentences.
    pub message: String,
    /// When the reason ends or is checked again, if that is known.
    pub retry_at: Option<DateTime<Utc>>,
}

/// Why an item is not running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// It is running, or its worker is being started.
    Running,
    /// It is running, and its agent waits for a file that another item has locked.
    LockHeld,
    /// It has ended.
    Ended,
    /// Its spec is being generated.
    SpecMissing,
    /// Its spec is missing, and the intake, which generates it, does not call.
    IntakeUnavailable,
    /// It waits for its next attempt.
    Backoff,
    /// The queue is paused.
    Paused,
    /// All worker slots are in use.
    NoSlot,
    /// The iterations of the day are used or reserved.
    BudgetUsedUp,
    /// The cooldown after the latest start is not over.
    Cooldown,
    /// Redis is unavailable.
    RedisUnavailable,
    /// The runtime cannot start workers.
    RuntimeUnavailable,
    /// The model API is unavailable, rate-limits Whim or rejects its credential.
    ModelUnavailable,
    /// GitHub is unavailable, rate-limits Whim or rejects its token.
    #[serde(rename = "github_unavailable")]
    GitHubUnavailable,
    /// Attempts in its repository fail: workers crash, their image is missing, or it cannot be fetched.
    RepositoryFailing,
    /// A setting disables its repository.
    RepositoryDisabled,
    /// Its repository has its maximum of workers.
    NoRepositorySlot,
    /// Other items come first.
    Behind,
    /// It is the next to be started.
    Next,
}
