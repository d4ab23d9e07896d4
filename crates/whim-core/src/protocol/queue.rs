//! The pause of the queue, and why an item is not running.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{WorkItemId, WorkItemStatus};

/// `POST /api/queue/pause`: nothing new is started until `POST /api/queue/resume`; what runs goes on. The body may be
/// left out. Pausing a paused queue changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PauseQueue {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 4096, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 4096, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub paused_by: Option<String>,
}

/// The answer to `pause` and `resume`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueueState {
    /// The pause; `null` when the queue is not paused.
    pub paused: Option<Pause>,
}

/// A pause of the queue. It outlives restarts, and holds for every orchestrator of the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// When it began.
    pub since: DateTime<Utc>,
    pub paused_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// `GET /api/work/:id/explain`: why an item is not running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The item.
    pub id: WorkItemId,
    /// Its state.
    pub status: WorkItemStatus,
    /// Why, for a program.
    pub reason_code: ReasonCode,
    /// Why, for a person: one sentence.
    pub explanation: String,
    /// When the block expires or is retried, if that time is known.
    pub retry_at: Option<DateTime<Utc>>,
}

/// Why an item is not running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// It is running, or about to.
    Running,
    /// It is running, and an edit of its agent waits for a file that another item has locked.
    LockHeld,
    /// It has ended.
    Ended,
    /// Its spec is being written.
    SpecMissing,
    /// It waits for the time of its next attempt.
    Backoff,
    /// A person paused the queue.
    Paused,
    /// Every worker slot is taken.
    NoSlot,
    /// The day's iterations are used or reserved.
    BudgetUsedUp,
    /// The pause between two starts is not over.
    Cooldown,
    /// Redis does not answer.
    RedisAway,
    /// What starts workers fails.
    StartsFail,
    /// The model API is away, limits Whim or refuses its credentials.
    ModelUnavailable,
    /// GitHub is away, limits Whim or refuses its token.
    #[serde(rename = "github_unavailable")]
    GitHubUnavailable,
    /// One worker after the other crashed in its repository.
    RepositoryCrashes,
    /// Its repository has as many workers as it may.
    NoRepositorySlot,
    /// Others come first.
    Behind,
    /// Nothing stands in its way: it is the next.
    Next,
}
