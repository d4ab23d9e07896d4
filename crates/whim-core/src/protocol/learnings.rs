//! What was learned in earlier tasks.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{LearningId, RepoName, WorkItemId};

/// `GET /api/learnings?repo=&kind=&limit=&cursor=`: the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LearningFilter {
    /// Only learnings of this repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<RepoName>,
    /// Only learnings of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<LearningKind>,
    /// How many at the most: 1 to 200, 50 when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 200))]
    pub limit: Option<u32>,
    /// Where the page before ended (`nextCursor`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<LearningId>,
}

/// A page of learnings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LearningPage {
    /// The learnings.
    pub items: Vec<Learning>,
    /// Where the next page begins; `null` on the last.
    pub next_cursor: Option<LearningId>,
}

/// Something that was learned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Learning {
    /// Its identifier.
    pub id: LearningId,
    /// Where it holds.
    pub repo: RepoName,
    /// What it is.
    pub kind: LearningKind,
    /// What was learned.
    pub text: String,
    /// The item that taught it, unless that was deleted.
    pub work_item_id: Option<WorkItemId>,
    /// When it was learned.
    pub created_at: DateTime<Utc>,
}

/// What a learning is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(
    feature = "sqlx",
    derive(sqlx::Type),
    sqlx(type_name = "text", rename_all = "lowercase")
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LearningKind {
    /// How things are done here.
    Pattern,
    /// What surprises.
    Gotcha,
    /// What worked.
    Approach,
}

impl LearningKind {
    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pattern => "pattern",
            Self::Gotcha => "gotcha",
            Self::Approach => "approach",
        }
    }
}
