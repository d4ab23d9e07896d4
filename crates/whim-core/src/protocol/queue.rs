//! The pause of the queue.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// `POST /api/queue/pause`: no worker is started until `POST /api/queue/resume`; running ones continue. The body is
/// optional. Pausing a paused queue changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PauseQueue {
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

/// Response of `pause` and `resume`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueueState {
    /// `null` if the queue is not paused.
    pub paused: Option<Pause>,
}

/// A pause of the queue. It survives restarts and applies to every orchestrator of the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    pub since: DateTime<Utc>,
    pub paused_by: Option<String>,
    pub reason: Option<String>,
}
