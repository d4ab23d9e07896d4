//! Failure causes of attempts. Their retry rules are in `retry.rs`.

use serde::{Deserialize, Serialize};

/// Why an attempt failed. The cause decides whether the item is tried again ([`FailureCause::retry_rule`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "sqlx",
    derive(sqlx::Type),
    sqlx(type_name = "failure_cause", rename_all = "snake_case")
)]
#[serde(rename_all = "snake_case")]
pub enum FailureCause {
    /// The agent, `ralph` or the worker program ended unexpectedly.
    Crash,
    /// The worker's lease expired: it is dead or cannot be reached.
    Lost,
    /// A person killed the worker.
    Killed,
    /// The worker ran into a limit of its container: memory, or the number of processes.
    Resources,
    /// The agent makes no progress, or reported that it cannot continue.
    Stuck,
    /// Required checks of the project fail because of the change.
    TestsFailed,
    /// The attempt used all iterations that it was allowed.
    IterationsUsedUp,
    /// Something else pushed to the branch while the attempt worked on it.
    BranchMoved,
    /// The repository rejected the push.
    PushRefused,
    /// GitHub rejected the pull request permanently.
    PullRequestRefused,
    /// The repository, its branch or its base is missing, empty or not readable with the token, or its policy is invalid.
    WorkspaceUnusable,
    /// GitHub cannot read objects of the repository.
    RepositoryDamaged,
    /// Cloning the repository took longer than `GIT_TIMEOUT_SECONDS`.
    CloneTimedOut,
    /// A program that the repository's checks need is not installed where the worker runs.
    ToolMissing,
    /// No usable specification could be generated.
    SpecUnusable,
    /// The container engine or process runtime is not available.
    RuntimeUnavailable,
    /// The worker image of the repository is not on the container engine.
    ImageUnavailable,
    /// Workers cannot reach the package registry that the repository's checks need.
    RegistryUnavailable,
    /// GitHub is not available or rate-limits Whim.
    #[serde(rename = "github_unavailable")]
    #[cfg_attr(feature = "sqlx", sqlx(rename = "github_unavailable"))]
    GitHubUnavailable,
    /// The model API is not available or overloaded.
    ModelUnavailable,
    /// A rate limit of the model API, or the usage limit of the plan.
    ModelLimited,
    /// The model API rejects the credential.
    ModelRefused,
    /// GitHub rejects the token.
    #[serde(rename = "github_refused")]
    #[cfg_attr(feature = "sqlx", sqlx(rename = "github_refused"))]
    GitHubRefused,
    /// The disk of the workers is full.
    DiskFull,
}

impl FailureCause {
    pub const ALL: [Self; 24] = [
        Self::Crash,
        Self::Lost,
        Self::Killed,
        Self::Resources,
        Self::Stuck,
        Self::TestsFailed,
        Self::IterationsUsedUp,
        Self::BranchMoved,
        Self::PushRefused,
        Self::PullRequestRefused,
        Self::WorkspaceUnusable,
        Self::RepositoryDamaged,
        Self::CloneTimedOut,
        Self::ToolMissing,
        Self::SpecUnusable,
        Self::RuntimeUnavailable,
        Self::ImageUnavailable,
        Self::RegistryUnavailable,
        Self::GitHubUnavailable,
        Self::ModelUnavailable,
        Self::ModelLimited,
        Self::ModelRefused,
        Self::GitHubRefused,
        Self::DiskFull,
    ];

    /// Name in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Lost => "lost",
            Self::Killed => "killed",
            Self::Resources => "resources",
            Self::Stuck => "stuck",
            Self::TestsFailed => "tests_failed",
            Self::IterationsUsedUp => "iterations_used_up",
            Self::BranchMoved => "branch_moved",
            Self::PushRefused => "push_refused",
            Self::PullRequestRefused => "pull_request_refused",
            Self::WorkspaceUnusable => "workspace_unusable",
            Self::RepositoryDamaged => "repository_damaged",
            Self::CloneTimedOut => "clone_timed_out",
            Self::ToolMissing => "tool_missing",
            Self::SpecUnusable => "spec_unusable",
            Self::RuntimeUnavailable => "runtime_unavailable",
            Self::ImageUnavailable => "image_unavailable",
            Self::RegistryUnavailable => "registry_unavailable",
            Self::GitHubUnavailable => "github_unavailable",
            Self::ModelUnavailable => "model_unavailable",
            Self::ModelLimited => "model_limited",
            Self::ModelRefused => "model_refused",
            Self::GitHubRefused => "github_refused",
            Self::DiskFull => "disk_full",
        }
    }

    /// Whether waiting does not help, because a credential is rejected.
    pub fn operator_action_required(self) -> bool {
        matches!(self, Self::ModelRefused | Self::GitHubRefused)
    }
}

impl std::fmt::Display for FailureCause {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_json_are_those_of_as_str() {
        for cause in FailureCause::ALL {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
        }
    }
}
