//! Reviews of what a worker's agent wrote, as workers report them and people read them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::stats::Tokens;
use crate::{CommitHash, LeaseEpoch, RelativePath, RepoName, ReviewId, WorkItemId, WorkerId};

/// The longest summary, in bytes.
pub const MAX_SUMMARY_BYTES: usize = 16 * 1024;
/// The most findings of a review.
pub const MAX_FINDINGS: usize = 200;
/// The longest message or suggestion of a finding, in bytes.
pub const MAX_FINDING_BYTES: usize = 4 * 1024;
/// The most reviews of one attempt.
pub const MAX_REVIEWS: u32 = 20;

/// `POST /api/worker/:id/review`: a review of what the agent wrote.
///
/// 201 with the review. 200 with the one that there is when the worker told of one of this `number` before, whatever the
/// rest says: sending it twice changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportReview {
    /// The how-manieth review of this attempt it is: 1 to 20. After findings were fixed comes another.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 20))]
    pub round: u32,
    /// The head that was reviewed.
    pub head_sha: CommitHash,
    /// What the reviewer says.
    pub verdict: Verdict,
    /// In a few sentences; at most 16 KiB.
    #[cfg_attr(feature = "openapi", schema(max_length = 16384))]
    pub summary: String,
    /// One by one; at most 200.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_items = 200))]
    pub findings: Vec<Finding>,
    /// What reviewed, as its maker calls it; at most 200 bytes.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 200, pattern = r"\S")
    )]
    pub model: String,
    /// The tokens that it took.
    #[serde(default)]
    pub tokens: Tokens,
    /// What that cost in US dollars, as the harness reported it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 0))]
    pub cost_usd: f64,
}

/// What a reviewer says of a change as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(
    feature = "sqlx",
    derive(sqlx::Type),
    sqlx(type_name = "review_verdict", rename_all = "snake_case")
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does what the spec asks for.
    Approved,
    /// Something has to change before it can be delivered.
    ChangesRequested,
    /// Remarks, none of which stands in the way.
    Commented,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 3] = [Self::Approved, Self::ChangesRequested, Self::Commented];

    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::ChangesRequested => "changes_requested",
            Self::Commented => "commented",
        }
    }
}

/// Something that a reviewer found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Finding {
    /// The file.
    pub path: RelativePath,
    /// The line, from 1; none when it is about the file as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, minimum = 1))]
    pub line: Option<std::num::NonZeroU32>,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong; at most 4 KiB.
    #[cfg_attr(feature = "openapi", schema(max_length = 4096))]
    pub message: String,
    /// What would be right; at most 4 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 4096))]
    pub suggestion: Option<String>,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Wrong: it has to be fixed.
    Error,
    /// Likely to hurt: it should be fixed.
    Warning,
    /// Good to know.
    Note,
}

/// A review.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Review {
    /// Its identifier.
    pub id: ReviewId,
    /// The item.
    pub work_item_id: WorkItemId,
    /// The repository.
    pub repo: RepoName,
    /// The worker that reported it.
    pub worker_id: WorkerId,
    /// The epoch of that worker's attempt.
    pub lease_epoch: LeaseEpoch,
    /// The how-manieth of that attempt it is.
    pub round: u32,
    /// The head that was reviewed.
    pub head_sha: CommitHash,
    /// What the reviewer says.
    pub verdict: Verdict,
    /// In a few sentences.
    pub summary: String,
    /// How many findings there are.
    pub finding_counts: FindingCounts,
    /// The findings; left out in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<Finding>>,
    /// What reviewed.
    pub model: String,
    /// The tokens that it took.
    pub tokens: Tokens,
    /// What that cost in US dollars, as the harness reported it.
    pub cost_usd: f64,
    /// When it was reported.
    pub created_at: DateTime<Utc>,
}

/// How many findings there are of each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FindingCounts {
    /// Those that have to be fixed.
    pub error: u32,
    /// Those that should be fixed.
    pub warning: u32,
    /// Those that are good to know.
    pub note: u32,
}

impl FindingCounts {
    /// Counts findings.
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

/// `GET /api/reviews?repo=&workItemId=&limit=&cursor=`: the newest first.
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
    /// How many at the most: 1 to 200, 50 when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 200))]
    pub limit: Option<u32>,
    /// Where the page before ended (`nextCursor`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<ReviewId>,
}

/// A page of reviews.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReviewPage {
    /// The reviews, without their findings.
    pub items: Vec<Review>,
    /// Where the next page begins; `null` on the last.
    pub next_cursor: Option<ReviewId>,
}
