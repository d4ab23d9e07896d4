//! What a day has brought.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// `GET /api/metrics`: today. A day is a UTC day by the database's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// The day.
    pub day: NaiveDate,
    /// When the next one begins.
    pub resets_at: DateTime<Utc>,
    /// Items that were submitted today.
    pub submitted: u64,
    /// Items that completed today.
    pub completed: u64,
    /// Items that failed for good today.
    pub failed: u64,
    /// Items that were cancelled today.
    pub cancelled: u64,
    /// The share of completed ones among those that completed or failed today, 0 to 1; `null` when there are none.
    pub success_rate: Option<f64>,
    /// How long the last attempts of the items took that completed today.
    pub durations: Durations,
    /// Iterations that were used today.
    pub iterations: u32,
    /// Tokens of the workers that live, and of those that ended today.
    pub tokens: Tokens,
    /// What those workers cost in US dollars, as their harness reported it.
    pub cost_usd: f64,
}

/// Seconds; `null` when there is nothing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Durations {
    /// The mean.
    pub average_seconds: Option<f64>,
    /// Half took longer.
    pub median_seconds: Option<f64>,
    /// One in twenty took longer.
    pub p95_seconds: Option<f64>,
}

/// Tokens by where they went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Tokens {
    /// Sent to the model, without those read from its cache.
    pub input: u64,
    /// Written by the model.
    pub output: u64,
    /// Read from the model's prompt cache.
    pub cache_read: u64,
    /// Written to the model's prompt cache.
    pub cache_write: u64,
}
