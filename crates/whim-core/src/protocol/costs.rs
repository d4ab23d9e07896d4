//! What requests to the model API cost.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{RepoName, WorkItemId, WorkerId};

/// Requests of one report at most.
pub const MAX_REPORTED_REQUESTS: usize = 500;
/// Limit on a number of tokens of one request.
pub const MAX_TOKENS: u64 = 1_000_000_000;
/// Limit on the name of a model and on a request id of the API, in characters.
pub const MAX_NAME_CHARACTERS: usize = 200;

/// `POST /api/gateway/usage`: requests of agents that the model API answered. One that is reported again changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportModelUsage {
    /// 1 to 500.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 500))]
    pub requests: Vec<ModelRequest>,
}

/// A request that the model API answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelRequest {
    /// Chosen by the gateway for each request.
    pub id: Uuid,
    /// The worker whose agent made the request.
    pub worker_id: WorkerId,
    /// As it was asked for, 1 to 200 characters.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 200, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub model: String,
    /// The API's own id of the request, 1 to 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 200, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub request_id: Option<String>,
    pub tokens: ModelTokens,
    /// Whether the API reported them. Otherwise the response broke off, and they are partly estimated.
    pub is_reported: bool,
}

/// Tokens of one request, by their prices. A field that is missing counts as zero; each at most 1,000,000,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ModelTokens {
    /// Neither read from the cache nor written to it.
    #[cfg_attr(feature = "openapi", schema(maximum = 1_000_000_000))]
    pub input: u64,
    #[cfg_attr(feature = "openapi", schema(maximum = 1_000_000_000))]
    pub output: u64,
    #[cfg_attr(feature = "openapi", schema(maximum = 1_000_000_000))]
    pub cache_read: u64,
    /// Written to the cache for five minutes.
    #[cfg_attr(feature = "openapi", schema(maximum = 1_000_000_000))]
    pub cache_write: u64,
    /// Written to the cache for an hour.
    #[cfg_attr(feature = "openapi", schema(maximum = 1_000_000_000))]
    pub cache_write_hour: u64,
}

impl ModelTokens {
    /// Those that were sent, however they were read: prices may depend on them.
    pub fn prompt(self) -> u64 {
        self.input + self.cache_read + self.cache_write + self.cache_write_hour
    }
}

/// What the report added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ModelUsageRecorded {
    /// Requests that were not known before. Those of unknown workers are not counted.
    pub recorded: u64,
}

/// `GET /api/costs?from=&to=&by=&repo=&workItemId=`, and `/api/costs/csv` with the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "openapi",
    derive(utoipa::IntoParams),
    into_params(parameter_in = Query)
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CostFilter {
    /// First UTC day; by default, `to` and the 29 days before it. At most 366 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<NaiveDate>,
    /// Last UTC day; today by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<NaiveDate>,
    /// What a row of the answer stands for; `day` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<CostKey>,
    /// Only this repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo: Option<RepoName>,
    /// Only this item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_item_id: Option<WorkItemId>,
}

/// What costs are summed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CostKey {
    #[default]
    Day,
    Repo,
    /// Who requested the run; empty if that is not known.
    Person,
    Model,
    Stage,
}

/// What the model API cost, at list price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CostReport {
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub by: CostKey,
    /// By day ascending, else the dearest first.
    pub rows: Vec<CostRow>,
    pub total_micro_dollars: u64,
}

/// Sums over requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CostRow {
    /// The day, repository, login, model or stage.
    pub key: String,
    pub requests: u64,
    pub tokens: ModelTokenSums,
    /// Millionths of a US dollar.
    pub micro_dollars: u64,
    /// The part of `microDollars` that is an estimate: the response broke off, or the model has no known price and counts as the
    /// dearest one.
    pub estimated_micro_dollars: u64,
}

/// Sums of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ModelTokenSums {
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    pub cache_write: u64,
    pub cache_write_hour: u64,
}
