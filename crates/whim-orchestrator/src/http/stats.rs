//! Routes of statistics and learnings.

use axum::Json;
use axum::extract::State;
use whim_core::protocol::learnings::{LearningFilter, LearningPage};
use whim_core::protocol::metrics::Metrics;

use super::error::ApiError;
use super::extract::Query;
use super::page::Limit;
use crate::app::App;
use crate::db;

/// Returns today's counts, success rate, durations, tokens and cost; at most a second old.
#[utoipa::path(get, path = "/api/metrics", tag = "status", responses((status = 200, description = "Today", body = Metrics)))]
pub(super) async fn metrics(State(app): State<App>) -> Result<Json<Metrics>, ApiError> {
    Ok(Json(app.daily_metrics.today(&app.database).await?))
}

/// Lists learnings, newest first.
#[utoipa::path(get, path = "/api/learnings", tag = "learnings", params(LearningFilter), responses((status = 200, description = "A page", body = LearningPage)))]
pub(super) async fn learnings(
    State(app): State<App>,
    Query(filter): Query<LearningFilter>,
) -> Result<Json<LearningPage>, ApiError> {
    let limit = Limit::of(filter.limit)?;
    let items = db::learnings::page(&app.database, &filter, limit.fetch()).await?;
    let (items, next_cursor) = limit.cut(items, |item| item.id);
    Ok(Json(LearningPage { items, next_cursor }))
}
