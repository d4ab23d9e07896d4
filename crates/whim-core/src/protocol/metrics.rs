//! Statistics of the current day.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::stats::Tokens;

/// `GET /api/metrics`. A day is a UTC day by the clock of the database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    pub day: NaiveDate,
    /// Start of the next day.
    pub resets_at: DateTime<Utc>,
    /// Items submitted today.
    pub submitted: u64,
    /// Items that completed today.
    pub completed: u64,
    /// Items that failed today and are not retried.
    pub failed: u64,
    /// Items cancelled today.
    pub cancelled: u64,
    /// `completed / (completed + failed)`, 0 to 1; `null` if both are 0.
    pub success_rate: Option<f64>,
    /// Durations of the last attempts of the items that completed today.
    pub durations: Durations,
    /// Iterations used today.
    pub iterations: u32,
    /// Tokens of live workers and of workers that ended today.
    pub tokens: Tokens,
    /// Cost of the same workers in US dollars, as reported by the harness.
    pub cost_usd: f64,
}

/// Seconds; `null` if there is nothing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Durations {
    pub average_seconds: Option<f64>,
    pub median_seconds: Option<f64>,
    pub p95_seconds: Option<f64>,
}
