//! What the day has brought, and what was learned.

use axum::Json;
use axum::extract::State;
use whim_core::protocol::learnings::{LearningFilter, LearningPage};
use whim_core::protocol::metrics::Metrics;

use super::error::ApiError;
use super::extract::Query;
use super::work::limit;
use crate::app::App;
use crate::db;

/// Today's counts, success rate, durations, tokens and cost.
#[utoipa::path(get, path = "/api/metrics", tag = "status", responses((status = 200, description = "Today", body = Metrics)))]
pub(super) async fn metrics(State(app): State<App>) -> Result<Json<Metrics>, ApiError> {
    Ok(Json(db::daily_stats::today(&app.database).await?))
}

/// What was learned, the newest first.
#[utoipa::path(get, path = "/api/learnings", tag = "learnings", params(LearningFilter), responses((status = 200, description = "A page", body = LearningPage)))]
pub(super) async fn learnings(
    State(app): State<App>,
    Query(filter): Query<LearningFilter>,
) -> Result<Json<LearningPage>, ApiError> {
    let limit = limit(filter.limit)?;
    let mut items = db::learnings::page(&app.database, &filter, i64::from(limit) + 1).await?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next_cursor = items.last().filter(|_| more).map(|item| item.id);
    Ok(Json(LearningPage { items, next_cursor }))
}
