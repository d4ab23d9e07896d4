//! The life of a worker.

use serde::{Deserialize, Serialize};

/// The state of a worker (`DESIGN.md`, "State").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "sqlx",
    derive(sqlx::Type),
    sqlx(type_name = "worker_status", rename_all = "snake_case")
)]
#[serde(rename_all = "snake_case")]
pub enum WorkerStatus {
    /// Claimed an item; the runtime was asked to start it; it has not registered.
    Starting,
    /// Registered.
    Running,
    /// Reported a pull request.
    Completed,
    /// Reported a failure, or was found dead.
    Failed,
    /// Reported that its agent makes no progress.
    Stuck,
    /// Ended by a person or by a cancelled item.
    Killed,
}

impl WorkerStatus {
    /// Every status, in the order of a worker's life.
    pub const ALL: [Self; 6] = [
        Self::Starting,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Stuck,
        Self::Killed,
    ];

    /// The name on the wire and in the database.
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

    /// The states from which a worker may come here.
    pub fn predecessors(self) -> &'static [Self] {
        match self {
            Self::Starting => &[],
            Self::Running => &[Self::Starting],
            Self::Completed | Self::Stuck => &[Self::Running],
            Self::Failed | Self::Killed => &[Self::Starting, Self::Running],
        }
    }

    /// Whether the worker has ended. A worker never lives again: the next attempt has a worker of its own.
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

/// What a worker is doing, as it tells with its heartbeats (`DESIGN.md`, "The way of one issue", steps 5 to 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "sqlx",
    derive(sqlx::Type),
    sqlx(type_name = "worker_stage", rename_all = "snake_case")
)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Cloning the repository, making or resuming the branch, checking that it may push.
    Preparing,
    /// The agent works through the checklist.
    Working,
    /// The project's own tests run.
    Testing,
    /// The diff is compared with the specification.
    Reviewing,
    /// The pull request is being opened.
    Delivering,
}

impl Stage {
    /// The name on the wire and in the database.
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
    fn a_worker_that_ended_never_lives_again() {
        for to in WorkerStatus::ALL {
            assert!(to.predecessors().iter().all(|from| !from.is_terminal()), "{to}");
        }
    }
}
