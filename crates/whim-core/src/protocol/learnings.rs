//! Learnings from earlier tasks.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{LearningId, RepoName, WorkItemId};

/// `GET /api/learnings?repo=&kind=&state=&limit=&cursor=`: newest first.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LearningPage {
    pub items: Vec<Learning>,
    /// Cursor of the next page; `null` on the last.
    pub next_cursor: Option<LearningId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Learning {
    pub id: LearningId,
    pub repo: RepoName,
    pub kind: LearningKind,
    pub text: String,
    /// Item that it comes from; `null` if the item was deleted.
    pub work_item_id: Option<WorkItemId>,
    pub created_at: DateTime<Utc>,
    /// Time of the latest change by a person, or of the creation.
    pub updated_at: DateTime<Utc>,
    /// When a person marked it as important; `null` if it is not.
    pub pinned_at: Option<DateTime<Utc>>,
    /// When a person withdrew it; `null` if it is current. No agent receives a retired learning.
    pub retired_at: Option<DateTime<Utc>>,
}

/// Which learnings are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LearningState {
    /// Not retired: those that agents may receive.
    #[default]
    Current,
    /// Current and pinned.
    Pinned,
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
