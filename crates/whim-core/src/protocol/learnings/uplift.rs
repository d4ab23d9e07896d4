//! Whether learnings help: items that received them compared with those of the holdout.

use serde::{Deserialize, Serialize};

use crate::RepoName;

/// `GET /api/learnings/uplift`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LearningsUplift {
    /// All repositories together, stratified by repository and number of tasks.
    pub all: Comparison,
    /// Repositories with ended items in both arms, by name; at most 200.
    pub repositories: Vec<RepositoryUplift>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RepositoryUplift {
    pub repo: RepoName,
    pub comparison: Comparison,
}

/// Ended items with learnings and without.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Items for which there were learnings, and that received them.
    pub with_learnings: ArmNumbers,
    /// Items of the holdout.
    pub without_learnings: ArmNumbers,
    /// Change of the share of completed items.
    pub success: Effect,
    /// Change of the iterations per item.
    pub iterations: Effect,
    /// Change of the cost per item, in US dollars.
    pub cost_usd: Effect,
    /// Change of the share of items that needed a repair or another attempt.
    pub repairs: Effect,
}

/// Averages of one arm; `null` without items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ArmNumbers {
    pub items: u32,
    pub success_rate: Option<f64>,
    pub iterations: Option<f64>,
    pub cost_usd: Option<f64>,
    pub repair_rate: Option<f64>,
}

/// A difference: with learnings minus without.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// `null` while there are not enough data.
    pub estimate: Option<f64>,
    /// Lower end of the 95 % confidence interval.
    pub low: Option<f64>,
    /// Upper end of the 95 % confidence interval.
    pub high: Option<f64>,
    /// In plain words, for example `not enough data yet`.
    pub summary: String,
}
