//! Reviews of the changes that a worker's agent made.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::stats::Tokens;
use crate::{CommitHash, LeaseEpoch, RelativePath, RepoName, ReviewId, WorkItemId, WorkerId};

/// Limit of the summary, in bytes.
pub const MAX_SUMMARY_BYTES: usize = 16 * 1024;
pub const MAX_FINDINGS: usize = 200;
/// Limit of a finding's message and suggestion, in bytes.
pub const MAX_FINDING_BYTES: usize = 4 * 1024;
/// Limit of reviews of one attempt.
pub const MAX_REVIEWS: u32 = 20;

/// `POST /api/worker/:id/review`: a review of the agent's changes.
///
/// 201 with the review. 200 with the existing one if the worker reported this `round` before: a repeated report changes
/// nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportReview {
    /// Number of the review within the attempt, from 1 to 20. Another review follows when findings were fixed.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 20))]
    pub round: u32,
    /// The reviewed head.
    pub head_sha: CommitHash,
    pub verdict: Verdict,
    /// In a few sentences; at most 16 KiB.
    #[cfg_attr(feature = "openapi", schema(max_length = 16384))]
    pub summary: String,
    /// At most 200.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_items = 200))]
    pub findings: Vec<Finding>,
    /// Name of the reviewing model; at most 200 bytes.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 200, pattern = r"\S")
    )]
    pub model: String,
    /// The tokens that it took.
    #[serde(default)]
    pub tokens: Tokens,
    /// Cost in US dollars, as the harness reported it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 0))]
    pub cost_usd: f64,
}

/// Verdict on the changes as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(
    feature = "sqlx",
    derive(sqlx::Type),
    sqlx(type_name = "review_verdict", rename_all = "snake_case")
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The changes satisfy the spec.
    Approved,
    /// The changes need fixes before delivery.
    ChangesRequested,
    /// Remarks that do not block delivery.
    Commented,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 3] = [Self::Approved, Self::ChangesRequested, Self::Commented];

    /// Name in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::ChangesRequested => "changes_requested",
            Self::Commented => "commented",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Finding {
    /// Number of the task in the spec, from 1; absent if the finding concerns none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, minimum = 1))]
    pub task: Option<std::num::NonZeroU32>,
    /// Absent if the finding concerns no file, as missing work does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<RelativePath>,
    /// Line, from 1; absent if the finding concerns the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, minimum = 1))]
    pub line: Option<std::num::NonZeroU32>,
    pub severity: Severity,
    /// The problem; at most 4 KiB.
    #[cfg_attr(feature = "openapi", schema(max_length = 4096))]
    pub message: String,
    /// The proposed fix; at most 4 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 4096))]
    pub suggestion: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Has to be fixed.
    Error,
    /// Should be fixed.
    Warning,
    Note,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Review {
    pub id: ReviewId,
    pub work_item_id: WorkItemId,
    pub repo: RepoName,
    pub worker_id: WorkerId,
    pub lease_epoch: LeaseEpoch,
    /// Number of the review in its attempt.
    pub round: u32,
    /// The reviewed head.
    pub head_sha: CommitHash,
    pub verdict: Verdict,
    pub summary: String,
    pub finding_counts: FindingCounts,
    /// Not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<Finding>>,
    pub model: String,
    /// The tokens that it took.
    pub tokens: Tokens,
    /// Cost in US dollars, as the harness reported it.
    pub cost_usd: f64,
    pub created_at: DateTime<Utc>,
}

/// Findings by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FindingCounts {
    pub error: u32,
    pub warning: u32,
    pub note: u32,
}

impl FindingCounts {
    pub fn of(findings: &[Finding]) -> Self {
        let mut counts = Self::default();
        for finding in findings {
            *match finding.severity {
                Severity::Error => &mut counts.error,
                Severity::Warning => &mut counts.warning,
                Severity::Note => &mut counts.note,
            } += 1;
        }
        counts
    }
}

/// `GET /api/reviews?repo=&workItemId=&limit=&cursor=`: newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReviewFilter {
    /// Only reviews in this repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<RepoName>,
    /// Only reviews of this item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_item_id: Option<WorkItemId>,
    /// Page size: 1 to 200, default 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 200))]
    pub limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<ReviewId>,
}

/// A page of reviews.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReviewPage {
    /// Without findings.
    pub items: Vec<Review>,
    /// Cursor of the next page; `null` on the last.
    pub next_cursor: Option<ReviewId>,
}
