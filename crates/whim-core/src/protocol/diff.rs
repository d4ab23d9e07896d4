//! The changes of an item: the difference between the base branch and the pushed head.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{CommitHash, LeaseEpoch, WorkItemId, WorkerId};

/// Limit of files in a diff; the others are only counted.
pub const MAX_DIFF_FILES: usize = 1000;
/// Limit of one file's patch, in bytes.
pub const MAX_PATCH_BYTES: usize = 128 * 1024;
/// Limit of all patches of a diff together, in bytes.
pub const MAX_DIFF_BYTES: usize = 768 * 1024;

/// `POST /api/worker/:id/diff`: the changes up to the head that was just pushed. Replaces the item's previous diff. The
/// body may be compressed (`Content-Encoding: zstd`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportDiff {
    /// The merge base of the base branch and the head.
    pub base_sha: CommitHash,
    /// The pushed head.
    pub head_sha: CommitHash,
    /// At most 1000, with at most 768 KiB of patches.
    #[cfg_attr(feature = "openapi", schema(max_items = 1000))]
    pub files: Vec<FileDiff>,
    /// Number of changed files, with those that are not in `files`.
    pub file_count: u32,
    /// Added lines of all files.
    pub additions: u64,
    /// Deleted lines of all files.
    pub deletions: u64,
}

/// A changed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileDiff {
    /// Path in the head, or in the base if it was deleted. Invalid UTF-8 is replaced.
    pub path: String,
    /// Path in the base, if the file was renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_path: Option<String>,
    pub status: FileStatus,
    pub is_binary: bool,
    /// Added lines; 0 if it is binary.
    pub additions: u32,
    /// Deleted lines; 0 if it is binary.
    pub deletions: u32,
    /// The hunks, from the first `@@`; whole lines. Missing if the file is binary or beyond the limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// Whether the patch, or its end, is missing because of the limits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub is_truncated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileStatus {
    Added,
    Modified,
    Deleted,
    /// Also if its content was changed.
    Renamed,
    /// For example a file that became a symbolic link.
    TypeChanged,
}

/// The answer to a reported diff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DiffStored {
    /// Head of the stored diff.
    pub head_sha: CommitHash,
}

/// `GET /api/work/:id/diff`: the diff of the latest push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    pub work_item_id: WorkItemId,
    /// The worker that pushed; `null` before the first push.
    pub worker_id: Option<WorkerId>,
    /// The attempt that pushed; `null` before the first push.
    pub lease_epoch: Option<LeaseEpoch>,
    /// The merge base; `null` before the first push.
    pub base_sha: Option<CommitHash>,
    /// The pushed head; `null` before the first push.
    pub head_sha: Option<CommitHash>,
    pub updated_at: Option<DateTime<Utc>>,
    /// In the order of git. At most 1000.
    pub files: Vec<FileDiff>,
    /// Number of changed files, with those that are not in `files`.
    pub file_count: u32,
    /// Added lines of all files.
    pub additions: u64,
    /// Deleted lines of all files.
    pub deletions: u64,
    /// Whether files are missing, or parts of patches.
    pub truncated: bool,
}

impl Diff {
    /// Before the first push.
    pub fn empty(work_item_id: WorkItemId) -> Self {
        Self {
            work_item_id,
            worker_id: None,
            lease_epoch: None,
            base_sha: None,
            head_sha: None,
            updated_at: None,
            files: Vec::new(),
            file_count: 0,
            additions: 0,
            deletions: 0,
            truncated: false,
        }
    }
}

impl ReportDiff {
    /// Whether files are missing, or parts of patches.
    pub fn is_truncated(&self) -> bool {
        self.files.len() < self.file_count as usize || self.files.iter().any(|file| file.is_truncated)
    }
}
