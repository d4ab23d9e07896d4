//! Results of the project's checks.

use serde::{Deserialize, Serialize};

/// Results of the project's checks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TestReport {
    /// The commands of the checks, for people.
    pub command: String,
    /// Whether the change may be delivered: no required check failed because of it. A check that failed on the base as
    /// well, or could not run, does not count.
    pub passed: bool,
    /// Sum over the checks whose runner prints it; missing if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests_passed: Option<u32>,
    /// Sum over the checks whose runner prints it; missing if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests_failed: Option<u32>,
    /// Sum over the checks.
    pub duration_ms: u64,
    /// In the order in which they ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckReport>,
}

/// Result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// From the policy of the repository, or the detected kind of project.
    pub name: String,
    /// The command that decided, for people: the check itself, or one that prepares it.
    pub command: String,
    pub outcome: CheckOutcome,
    /// Whether the change is delivered only if the check passes.
    pub required: bool,
    /// Missing if the test runner does not print it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests_passed: Option<u32>,
    /// Missing if the test runner does not print it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests_failed: Option<u32>,
    /// Of the command, on the head of the branch.
    pub duration_ms: u64,
    /// On the base of the branch; missing if the check passed on the head, or the base has no such check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_outcome: Option<BaseOutcome>,
    /// Why it did not pass, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a check says about the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    Passed,
    /// It fails because of the change.
    Failed,
    /// It fails without the change as well.
    FailedOnBase,
    /// It says nothing: its preparation fails without the change as well, a tool is missing, or a package registry cannot
    /// be reached.
    CouldNotRun,
}

impl CheckOutcome {
    pub const ALL: [Self; 4] = [Self::Passed, Self::Failed, Self::FailedOnBase, Self::CouldNotRun];
}

/// The result of a check on the base of the branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BaseOutcome {
    Passed,
    Failed,
    CouldNotRun,
}
