//! What is examined before an agent starts on a repository.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{BranchName, RepoName, WorkItemId, WorkerId};

/// Checks of one preflight at most.
pub const MAX_CHECKS: usize = 50;
/// Limit on the message of a check, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 8 * 1024;

/// `POST /api/worker/:id/preflight`: reported once per attempt, before the agent starts. A later report of the same attempt
/// replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportPreflight {
    /// Base of the pull request; absent if it was not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BranchName>,
    /// At most 50, in the order in which they were made. Those after a failed one are absent.
    #[cfg_attr(feature = "openapi", schema(max_items = 50))]
    pub checks: Vec<PreflightCheck>,
}

/// One thing that was examined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreflightCheck {
    pub subject: PreflightSubject,
    pub outcome: PreflightOutcome,
    /// What was found, and what to do about it; at most 8 KiB. Always there unless the check passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 8192))]
    pub message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PreflightSubject {
    /// It is reachable, and the branch can be pushed as far as a dry run shows.
    Repository,
    /// The rules of GitHub that apply to the branch.
    Rules,
    /// `.whim/config.yml` on the base branch.
    Policy,
    /// Submodules, and files of Git LFS.
    Contents,
    /// The commands of `setup`.
    Setup,
    /// The programs that the checks need.
    Tools,
}

impl PreflightSubject {
    /// Name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::Rules => "rules",
            Self::Policy => "policy",
            Self::Contents => "contents",
            Self::Setup => "setup",
            Self::Tools => "tools",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PreflightOutcome {
    Passed,
    /// Work is possible, with a limitation.
    Warning,
    /// No agent is started.
    Failed,
}

/// The latest preflight of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Preflight {
    pub repo: RepoName,
    pub checked_at: DateTime<Utc>,
    /// The item whose attempt examined the repository.
    pub work_item_id: WorkItemId,
    pub worker_id: WorkerId,
    /// The branch that was to be pushed.
    pub branch: BranchName,
    /// Base of the pull request; `null` if it was not found.
    pub base: Option<BranchName>,
    /// Whether no check failed, so that an agent was started.
    pub passed: bool,
    pub checks: Vec<PreflightCheck>,
}
