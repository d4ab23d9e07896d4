//! States and stages of a worker.

use serde::{Deserialize, Serialize};

/// The state of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "sqlx",
    derive(sqlx::Type),
    sqlx(type_name = "worker_status", rename_all = "snake_case")
)]
#[serde(rename_all = "snake_case")]
pub enum WorkerStatus {
    /// The runtime was asked to start it, and it has not registered.
    Starting,
    Running,
    /// Reported a pull request.
    Completed,
    /// Reported a failure, exited without a report, or missed a deadline.
    Failed,
    /// Reported that its agent makes no progress.
    Stuck,
    /// Ended by a person, or its item was cancelled.
    Killed,
}

impl WorkerStatus {
    /// Every status, in the order of the life cycle.
    pub const ALL: [Self; 6] = [
        Self::Starting,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Stuck,
        Self::Killed,
    ];

    /// Name in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Stuck => "stuck",
            Self::Killed => "killed",
        }
    }

    /// States from which a worker may enter this one.
    pub fn predecessors(self) -> &'static [Self] {
        match self {
            Self::Starting => &[],
            Self::Running => &[Self::Starting],
            Self::Completed | Self::Stuck => &[Self::Running],
            Self::Failed | Self::Killed => &[Self::Starting, Self::Running],
        }
    }

    /// Whether the worker has ended. The next attempt has a worker of its own.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Starting | Self::Running => false,
            Self::Completed | Self::Failed | Self::Stuck | Self::Killed => true,
        }
    }
}

impl std::fmt::Display for WorkerStatus {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a worker is doing, as its heartbeats report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "sqlx",
    derive(sqlx::Type),
    sqlx(type_name = "worker_stage", rename_all = "snake_case")
)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Cloning, creating or resuming the branch, checking the permission to push.
    Preparing,
    /// The agent works on the checklist.
    Working,
    /// The project's tests run.
    Testing,
    /// The changes are reviewed against the spec.
    Reviewing,
    Delivering,
}

impl Stage {
    /// Name in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Working => "working",
            Self::Testing => "testing",
            Self::Reviewing => "reviewing",
            Self::Delivering => "delivering",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_transition_leaves_a_terminal_state() {
        for to in WorkerStatus::ALL {
            assert!(to.predecessors().iter().all(|from| !from.is_terminal()), "{to}");
        }
    }
}
