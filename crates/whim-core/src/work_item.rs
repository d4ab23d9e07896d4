//! The life of a work item.

use serde::{Deserialize, Serialize};

/// The state of a work item (`DESIGN.md`, "State").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "sqlx",
    derive(sqlx::Type),
    sqlx(type_name = "work_item_status", rename_all = "snake_case")
)]
#[serde(rename_all = "snake_case")]
pub enum WorkItemStatus {
    /// Submitted with a description; its specification is being written.
    Generating,
    /// Waits for a worker, or for the time of its next attempt.
    Queued,
    /// A worker was started for it and has not registered yet.
    Assigned,
    /// A worker registered and works on it.
    InProgress,
    /// Done: its pull request is open.
    Completed,
    /// Ended without a pull request; a person can requeue it.
    Failed,
    /// Ended because a person said so.
    Cancelled,
}

impl WorkItemStatus {
    /// Every status, in the order of an item's life.
    pub const ALL: [Self; 7] = [
        Self::Generating,
        Self::Queued,
        Self::Assigned,
        Self::InProgress,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generating => "generating",
            Self::Queued => "queued",
            Self::Assigned => "assigned",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The states from which an item may come here. The `WHERE` of every transition uses this table: no row means
    /// that the caller is late.
    pub fn predecessors(self) -> &'static [Self] {
        match self {
            // New items with a description; a person asked for another run of one whose spec was never written, or
            // whose description has changed.
            Self::Generating => &[Self::Completed, Self::Failed, Self::Cancelled],
            // A spec was handed in; an attempt ended with retries left; a person asked for another run.
            Self::Queued => &[
                Self::Generating,
                Self::Assigned,
                Self::InProgress,
                Self::Completed,
                Self::Failed,
                Self::Cancelled,
            ],
            Self::Assigned => &[Self::Queued],
            Self::InProgress => &[Self::Assigned],
            Self::Completed => &[Self::InProgress],
            Self::Failed => &[Self::Generating, Self::Assigned, Self::InProgress],
            Self::Cancelled => &[Self::Generating, Self::Queued, Self::Assigned, Self::InProgress],
        }
    }

    /// Whether the item's life has ended, unless a person asks for another run.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Cancelled => true,
            Self::Generating | Self::Queued | Self::Assigned | Self::InProgress => false,
        }
    }

    /// The states that are not terminal.
    pub fn live() -> Vec<Self> {
        Self::ALL
            .into_iter()
            .filter(|status| !status.is_terminal())
            .collect()
    }
}

impl std::fmt::Display for WorkItemStatus {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl std::str::FromStr for WorkItemStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

/// The text names no status of a work item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "status {0:?} is unknown; expected generating, queued, assigned, in_progress, completed, failed or cancelled"
)]
pub struct UnknownStatus(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_requeue_leaves_a_terminal_state() {
        for to in WorkItemStatus::ALL {
            let leaves_terminal = to.predecessors().iter().any(|from| from.is_terminal());
            let requeue = matches!(to, WorkItemStatus::Queued | WorkItemStatus::Generating);
            assert_eq!(leaves_terminal, requeue, "{to}");
        }
    }

    #[test]
    fn every_live_state_can_be_cancelled() {
        assert_eq!(WorkItemStatus::Cancelled.predecessors(), WorkItemStatus::live());
    }

    #[test]
    fn names_on_the_wire_parse_back() {
        for status in WorkItemStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }
}
