//! What an attempt would receive.

use serde::{Deserialize, Serialize};

use super::Learning;
use crate::RepoName;

/// `POST /api/learnings/preview`: which learnings a spec would get, without running anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreviewLearnings {
    pub repo: RepoName,
    /// A SPEC.md, or any text.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 65536, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub spec: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LearningsPreview {
    /// Content of `learnings.md`; empty if there are none.
    pub text: String,
    /// Estimated tokens of the text.
    pub tokens: u32,
    /// Whether vectors were compared. Without them, only words were.
    pub has_vectors: bool,
    /// In the order of the text.
    pub items: Vec<PreviewedLearning>,
    /// Further ones that matched and did not fit the budget.
    pub omitted: u32,
}

/// A learning, and why it was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PreviewedLearning {
    /// With its relevance for `query`.
    pub learning: Learning,
    /// The part of the spec that it matches best.
    pub query: String,
}
