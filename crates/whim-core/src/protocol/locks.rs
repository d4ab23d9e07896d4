//! File locks.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{BranchName, RelativePath, RepoName, WorkItemId, WorkerId};

/// `GET /api/locks?repo=&limit=&cursor=`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockFilter {
    /// Only locks in this repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<RepoName>,
    /// Page size: 1 to 200, default 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 200))]
    pub limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        param(
            pattern = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/(?!/|.:)[^\\\x00-\x1f\x7f-\x9f]+$"
        )
    )]
    pub cursor: Option<String>,
}

/// A page of file locks, by worker and path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LockPage {
    pub items: Vec<HeldLock>,
    /// Cursor of the next page; `null` on the last.
    pub next_cursor: Option<String>,
}

/// A file lock and its holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HeldLock {
    pub repo: RepoName,
    pub path: RelativePath,
    pub worker_id: WorkerId,
    pub work_item_id: WorkItemId,
    pub branch: BranchName,
    pub locked_at: DateTime<Utc>,
}
