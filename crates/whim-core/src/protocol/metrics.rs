//! Statistics of the current day, and of each day by repository.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::stats::Tokens;
use crate::RepoName;

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

/// `GET /api/metrics/daily?from=&to=&repo=`: UTC days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DailyUsageFilter {
    /// First day. Default: 29 days before `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<NaiveDate>,
    /// Last day, at most 365 days after `from`. Default: today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<NaiveDate>,
    /// Only this repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<RepoName>,
}

/// Usage by day and repository, the newest day first, then by repository. Days without any are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DailyUsageReport {
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
    /// At most 10,000.
    pub items: Vec<DailyUsage>,
    /// Whether further rows were left out.
    pub truncated: bool,
    /// Durations of each day, over all repositories of the report, the newest day first. Days on which no attempt ended
    /// are left out.
    pub durations: Vec<DailyDurations>,
}

/// Durations of the attempts that ended on one day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DailyDurations {
    pub day: NaiveDate,
    /// From the start to the end of attempts that completed.
    pub attempts: Durations,
    /// From the entry into the queue to the start, for the first attempts of items.
    pub queue_wait: Durations,
}

/// Usage of one repository on one day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DailyUsage {
    pub day: NaiveDate,
    /// In lower case.
    pub repo: RepoName,
    /// Items submitted on this day.
    pub submitted: u64,
    /// Items that completed on this day.
    pub completed: u64,
    /// Items that failed on this day and were not retried since.
    pub failed: u64,
    /// Items cancelled on this day.
    pub cancelled: u64,
    /// Iterations that began on this day.
    pub iterations: u64,
    /// Tokens of workers that ended on this day, and of reviews.
    pub tokens: Tokens,
    /// Cost of the same in US dollars, as reported by the harness.
    pub cost_usd: f64,
}
