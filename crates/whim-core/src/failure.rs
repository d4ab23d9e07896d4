//! Why an attempt ended without a pull request, and what follows from it.

use serde::{Deserialize, Serialize};

/// Why an attempt failed. The cause alone decides whether there is another one ([`FailureCause::retry_rule`]).
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
    /// The agent makes no progress, or said that it cannot go on.
    Stuck,
    /// The project's own tests are red after the agent was done.
    TestsFailed,
    /// The iterations that this attempt may use are used up.
    IterationsUsedUp,
    /// Something else pushed to the branch while the attempt worked on it.
    BranchMoved,
    /// The repository does not let Whim push.
    PushRefused,
    /// GitHub refused the pull request for good.
    PullRequestRefused,
    /// The repository, its branch or its base cannot be used: it is missing, empty or not readable with the token.
    WorkspaceUnusable,
    /// No specification that can be worked on could be written.
    SpecUnusable,
    /// The container engine, or what starts workers, is not available.
    RuntimeUnavailable,
    /// GitHub is not available or limits the rate of calls.
    #[serde(rename = "github_unavailable")]
    #[cfg_attr(feature = "sqlx", sqlx(rename = "github_unavailable"))]
    GitHubUnavailable,
    /// The model API is not available or overloaded.
    ModelUnavailable,
    /// The model API limits Whim: its rate of calls, or the plan's usage limit.
    ModelLimited,
    /// The model API does not accept Whim's credentials: a person has to mend that.
    ModelRefused,
    /// GitHub does not accept Whim's token: a person has to mend that.
    #[serde(rename = "github_refused")]
    #[cfg_attr(feature = "sqlx", sqlx(rename = "github_refused"))]
    GitHubRefused,
    /// The disk that workers write to is full.
    DiskFull,
}

/// What follows after an attempt failed (`DESIGN.md`, decision 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryRule {
    /// Try again until the retries of this cause are used up.
    UpToLimit,
    /// Try again once, however many retries other causes used.
    Once,
    /// Another attempt would end the same way: a person has to look.
    Never,
    /// Not the item's fault: it waits, and no attempt is spent.
    WaitWithoutSpending,
}

impl FailureCause {
    /// Every cause.
    pub const ALL: [Self; 19] = [
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
        Self::SpecUnusable,
        Self::RuntimeUnavailable,
        Self::GitHubUnavailable,
        Self::ModelUnavailable,
        Self::ModelLimited,
        Self::ModelRefused,
        Self::GitHubRefused,
        Self::DiskFull,
    ];

    /// The name on the wire and in the database.
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
            Self::SpecUnusable => "spec_unusable",
            Self::RuntimeUnavailable => "runtime_unavailable",
            Self::GitHubUnavailable => "github_unavailable",
            Self::ModelUnavailable => "model_unavailable",
            Self::ModelLimited => "model_limited",
            Self::ModelRefused => "model_refused",
            Self::GitHubRefused => "github_refused",
            Self::DiskFull => "disk_full",
        }
    }

    /// Whether credentials are refused: waiting does not help, a person has to mend them.
    pub fn operator_action_required(self) -> bool {
        self.mended_by().is_some()
    }

    /// What a person has to do, where waiting does not help.
    pub fn mended_by(self) -> Option<&'static str> {
        match self {
            Self::ModelRefused => Some(
                "set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN to one that is valid and restart the orchestrator and \
                 the intake",
            ),
            Self::GitHubRefused => {
                Some("set GITHUB_TOKEN to one that is valid and restart the orchestrator and the intake")
            }
            Self::Crash
            | Self::Lost
            | Self::Killed
            | Self::Resources
            | Self::Stuck
            | Self::TestsFailed
            | Self::IterationsUsedUp
            | Self::BranchMoved
            | Self::PushRefused
            | Self::PullRequestRefused
            | Self::WorkspaceUnusable
            | Self::SpecUnusable
            | Self::RuntimeUnavailable
            | Self::GitHubUnavailable
            | Self::ModelUnavailable
            | Self::ModelLimited
            | Self::DiskFull => None,
        }
    }

    /// What follows after an attempt that failed for this cause.
    pub fn retry_rule(self) -> RetryRule {
        match self {
            Self::Crash | Self::Lost | Self::Killed | Self::Resources | Self::BranchMoved => {
                RetryRule::UpToLimit
            }
            Self::Stuck | Self::TestsFailed => RetryRule::Once,
            Self::IterationsUsedUp
            | Self::PushRefused
            | Self::PullRequestRefused
            | Self::WorkspaceUnusable
            | Self::SpecUnusable => RetryRule::Never,
            Self::RuntimeUnavailable
            | Self::GitHubUnavailable
            | Self::ModelUnavailable
            | Self::ModelLimited
            | Self::ModelRefused
            | Self::GitHubRefused
            | Self::DiskFull => RetryRule::WaitWithoutSpending,
        }
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
    fn names_on_the_wire_are_those_of_as_str() {
        for cause in FailureCause::ALL {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
        }
    }
}
