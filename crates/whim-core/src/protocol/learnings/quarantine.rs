//! Pull requests that decide whether learnings leave the quarantine.

use serde::{Deserialize, Serialize};

use crate::{BranchName, IssueNumber, RepoName, WorkItemId};

/// What became of a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "sqlx",
    derive(sqlx::Type),
    sqlx(type_name = "pull_request_outcome", rename_all = "lowercase")
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum PullRequestOutcome {
    /// It is open, or there is none yet.
    Pending,
    Merged,
    /// Closed without being merged.
    Closed,
}

/// `GET /api/learnings/quarantine`: at most 50 items, those first that were checked longest ago.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QuarantinePage {
    pub items: Vec<QuarantinedItem>,
}

/// A completed item with learnings that wait for its pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct QuarantinedItem {
    pub work_item_id: WorkItemId,
    pub repo: RepoName,
    /// Of its pull request.
    pub branch: BranchName,
    #[cfg_attr(feature = "openapi", schema(value_type = u64, minimum = 1))]
    pub pr_number: IssueNumber,
}

/// `PUT /api/learnings/quarantine/:id`: what GitHub says of the item's pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuarantineDecision {
    pub outcome: PullRequestOutcome,
}

/// The response: what the decision changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Quarantined {
    /// Learnings that other items may receive now.
    pub accepted: u32,
    /// Learnings that no item will receive.
    pub retired: u32,
}
