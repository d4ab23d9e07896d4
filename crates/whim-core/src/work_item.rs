//! States of a work item.

use serde::{Deserialize, Serialize};

/// The state of a work item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "sqlx",
    derive(sqlx::Type),
    sqlx(type_name = "work_item_status", rename_all = "snake_case")
)]
#[serde(rename_all = "snake_case")]
pub enum WorkItemStatus {
    /// Submitted with a description; its spec is being generated.
    Generating,
    /// Waits for a worker or for the end of its backoff.
    Queued,
    /// A worker was started and has not registered yet.
    Assigned,
    /// A worker has registered and works on it.
    InProgress,
    /// The pull request is open.
    Completed,
    /// Ended without a pull request; a person can requeue it.
    Failed,
    /// Ended by a person.
    Cancelled,
}

impl WorkItemStatus {
    /// Every status, in the order of the life cycle.
    pub const ALL: [Self; 7] = [
        Self::Generating,
        Self::Queued,
        Self::Assigned,
        Self::InProgress,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Name in JSON and in the database.
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

    /// States from which an item may enter this one. The `WHERE` of every transition uses this table; a statement that
    /// matches no row means that the caller is late.
    pub fn predecessors(self) -> &'static [Self] {
        match self {
            // Requeued without a spec, or with another description. New items have no predecessor.
            Self::Generating => &[Self::Completed, Self::Failed, Self::Cancelled],
            // The spec was submitted; an attempt ended and is retried; a person requeued it.
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

    /// Whether only a requeue by a person leaves this state.
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
