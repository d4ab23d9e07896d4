//! Routes of statistics and settings.

use axum::Json;
use axum::extract::State;
use chrono::{Days, NaiveDate};
use whim_core::protocol::metrics::{DailyUsageFilter, DailyUsageReport, Metrics};
use whim_core::protocol::settings::{EffectiveSetting, Settings};

use super::error::ApiError;
use super::extract::Query;
use crate::app::App;
use crate::db;
use crate::error::Error;

/// Days of a report without `from`.
const DEFAULT_DAYS: u64 = 30;
const MAX_DAYS: u64 = 366;

/// Returns today's counts, success rate, durations, tokens and cost; at most a second old.
#[utoipa::path(get, path = "/api/metrics", tag = "status", responses((status = 200, description = "Today", body = Metrics)))]
pub(super) async fn metrics(State(app): State<App>) -> Result<Json<Metrics>, ApiError> {
    Ok(Json(app.daily_metrics.today(&app.database).await?))
}

/// Returns counts, iterations, tokens and cost by day and repository.
#[utoipa::path(get, path = "/api/metrics/daily", tag = "status", params(DailyUsageFilter), responses((status = 200, description = "The usage", body = DailyUsageReport)))]
pub(super) async fn daily_usage(
    State(app): State<App>,
    Query(filter): Query<DailyUsageFilter>,
) -> Result<Json<DailyUsageReport>, ApiError> {
    let to = match filter.to {
        Some(to) => to,
        None => db::daily_usage::current_day(&app.database).await?,
    };
    let days = range(filter.from, to)?;
    let report = db::daily_usage::report(&app.database, days, filter.repo.as_ref()).await?;
    Ok(Json(report))
}

pub(super) fn range(from: Option<NaiveDate>, to: NaiveDate) -> Result<(NaiveDate, NaiveDate), Error> {
    let days_before = |days: u64| to.checked_sub_days(Days::new(days - 1)).unwrap_or(to);
    let from = from.unwrap_or_else(|| days_before(DEFAULT_DAYS));
    if from > to || from < days_before(MAX_DAYS) {
        let problem = format!("is {from}; expected a day from {} to {to}", days_before(MAX_DAYS));
        return Err(Error::invalid("from", problem));
    }
    Ok((from, to))
}

/// Returns the settings with which this orchestrator was started, without secrets.
#[utoipa::path(get, path = "/api/settings", tag = "status", responses((status = 200, description = "The settings", body = Settings)))]
pub(super) async fn settings(State(app): State<App>) -> Json<Settings> {
    let settings = app.settings.entries().map(|entry| EffectiveSetting {
        name: entry.name.to_owned(),
        value: entry.value.map(str::to_owned),
        is_set: entry.is_set,
        is_secret: entry.is_secret,
    });
    Json(Settings {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        settings: settings.collect(),
    })
}
