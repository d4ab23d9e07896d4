//! Learnings in the final report of a worker.

use serde::{Deserialize, Serialize};

use super::LearningKind;

/// Longer texts are no learnings: the file is for one or two sentences.
pub const MAX_LEARNING_CHARACTERS: usize = 1000;

/// Further ones of an attempt are dropped.
pub const MAX_LEARNINGS_PER_ATTEMPT: usize = 20;

/// What the agent wrote to `new-learnings.md` in an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportedLearnings {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_items = 20))]
    pub new: Vec<ReportedLearning>,
    /// Numbers of the received learnings that the agent used, as in `learnings.md`: 3 for `L3`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_items = 100))]
    pub used: Vec<u32>,
}

impl ReportedLearnings {
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.used.is_empty()
    }
}

/// A learning that an agent found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportedLearning {
    pub kind: LearningKind,
    /// At most 1000 characters, without secrets.
    #[cfg_attr(feature = "openapi", schema(max_length = 1000))]
    pub text: String,
    /// Files that the text names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_items = 20))]
    pub citations: Vec<String>,
    /// Those of them that do not exist in the workspace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_items = 20))]
    pub missing_citations: Vec<String>,
}
