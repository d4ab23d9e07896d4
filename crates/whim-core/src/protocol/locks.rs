//! The files that workers have locked.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{BranchName, RelativePath, RepoName, WorkItemId, WorkerId};

/// `GET /api/locks?repo=&limit=&cursor=`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockFilter {
    /// Only files of this repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<RepoName>,
    /// How many at the most: 1 to 200, 50 when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 200))]
    pub limit: Option<u32>,
    /// Where the page before ended (`nextCursor`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        param(
            pattern = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/(?!/|.:)[^\\\x00-\x1f\x7f-\x9f]+$"
        )
    )]
    pub cursor: Option<String>,
}

/// A page of locked files, by worker and path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LockPage {
    /// The locked files.
    pub items: Vec<HeldLock>,
    /// Where the next page begins; `null` on the last.
    pub next_cursor: Option<String>,
}

/// A locked file, and who holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HeldLock {
    /// The repository.
    pub repo: RepoName,
    /// The file.
    pub path: RelativePath,
    /// The worker that holds it.
    pub worker_id: WorkerId,
    /// What that worker works on.
    pub work_item_id: WorkItemId,
    /// The branch that it works on.
    pub branch: BranchName,
    /// Since when.
    pub locked_at: DateTime<Utc>,
}
