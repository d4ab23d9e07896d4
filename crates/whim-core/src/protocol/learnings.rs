//! Learnings from earlier tasks.

mod preview;
mod quarantine;
mod report;
mod uplift;

pub use self::preview::{LearningsPreview, PreviewLearnings, PreviewedLearning};
pub use self::quarantine::{
    PullRequestOutcome, QuarantineDecision, QuarantinePage, Quarantined, QuarantinedItem,
};
pub use self::report::{
    MAX_LEARNING_CHARACTERS, MAX_LEARNINGS_PER_ATTEMPT, ReportedLearning, ReportedLearnings,
};
pub use self::uplift::{ArmNumbers, Comparison, Effect, LearningsUplift, RepositoryUplift};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{CommitHash, LearningId, RepoName, WorkItemId, WorkerId};

/// `GET /api/learnings?repo=&q=&kind=&state=&limit=&cursor=`: newest first, or with `q` the best matches first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LearningFilter {
    /// Only learnings of this repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<RepoName>,
    /// Searches by meaning and by words, within `repo`, which is required then. The best matches come first, on one page.
    /// At most 1000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(min_length = 1, max_length = 1000))]
    pub q: Option<String>,
    /// Only learnings of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<LearningKind>,
    /// Only learnings in this state. Default: `current`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub state: Option<LearningState>,
    /// Page size: 1 to 200, default 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 200))]
    pub limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<LearningId>,
}

/// A page of learnings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LearningPage {
    pub items: Vec<Learning>,
    /// Cursor of the next page; `null` on the last.
    pub next_cursor: Option<LearningId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Learning {
    pub id: LearningId,
    pub repo: RepoName,
    pub kind: LearningKind,
    pub text: String,
    /// Item that it came from first; `null` if a person wrote it.
    pub work_item_id: Option<WorkItemId>,
    /// Number of attempts and persons that reported it.
    pub source_count: u32,
    pub created_at: DateTime<Utc>,
    /// Time of the latest change by a person, or of the creation.
    pub updated_at: DateTime<Utc>,
    /// When a person wrote it or a pull request that it comes from was merged; `null` while it is quarantined.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When a person marked it as important; `null` if it is not.
    pub pinned_at: Option<DateTime<Utc>>,
    /// When it was withdrawn; `null` if it was not. No agent receives a retired learning.
    pub retired_at: Option<DateTime<Utc>>,
    /// Why Whim retired it; `null` if a person did.
    pub retired_reason: Option<String>,
    /// Files that it names.
    pub citations: Vec<String>,
    /// Those of them that did not exist.
    pub missing_citations: Vec<String>,
    /// Number of attempts that received it.
    pub shown_count: u32,
    /// Number of attempts whose agent reported that it used it.
    pub cited_count: u32,
    /// Learnings of the repository that are near it and differ in a number or a negation.
    pub contradicts: Vec<LearningId>,
    /// How it matches `q`; `null` without `q`.
    #[serde(default)]
    pub relevance: Option<Relevance>,
}

/// How well a learning matches a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Relevance {
    /// Higher is better.
    pub score: f32,
    /// Cosine of the vectors; `null` if there are no vectors.
    pub similarity: Option<f32>,
    /// Words of the query that the text has, as stems.
    pub words: Vec<String>,
}

/// `GET /api/learnings/:id`: a learning with its record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LearningDetails {
    pub learning: Learning,
    /// Oldest first; at most 100.
    pub sources: Vec<LearningSource>,
    /// What became of the items that received it.
    pub record: LearningRecord,
}

/// An attempt or a person that reported a learning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LearningSource {
    /// `null` if a person wrote it.
    pub work_item_id: Option<WorkItemId>,
    /// The item's run: 1 for its submission, plus 1 for each requeue by a person.
    pub run: Option<u32>,
    pub worker_id: Option<WorkerId>,
    /// The pushed head of the attempt.
    pub head_sha: Option<CommitHash>,
    /// The pull request of the item.
    pub pr_url: Option<String>,
    /// What became of it; `null` if a person wrote the learning.
    pub outcome: Option<PullRequestOutcome>,
    pub created_at: DateTime<Utc>,
}

/// What became of the items that received a learning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LearningRecord {
    /// Ended items of which an attempt received it.
    pub items: u32,
    /// Those that were completed.
    pub completed: u32,
    /// Those that needed more than one attempt.
    pub retried: u32,
    /// Those of which an agent reported that it used it.
    pub cited: u32,
}

/// `POST /api/learnings`: a learning that a person writes. It is accepted at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateLearning {
    pub repo: RepoName,
    pub kind: LearningKind,
    /// At most 1000 characters.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 1000, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub text: String,
}

/// Which learnings are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LearningState {
    /// Neither retired nor quarantined: those that agents may receive.
    #[default]
    Current,
    /// Not retired, and pinned.
    Pinned,
    /// Not retired, and no pull request that it comes from is merged: only its own items receive it.
    Quarantined,
    Retired,
}

/// `PATCH /api/learnings/:id`: changes the fields that are present.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateLearning {
    /// The new text; at most 4096 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 4096, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(
    feature = "sqlx",
    derive(sqlx::Type),
    sqlx(type_name = "text", rename_all = "lowercase")
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LearningKind {
    /// A convention of the repository.
    Pattern,
    /// A pitfall.
    Gotcha,
    /// A solution that worked.
    Approach,
}

impl LearningKind {
    /// Name in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pattern => "pattern",
            Self::Gotcha => "gotcha",
            Self::Approach => "approach",
        }
    }
}
