//! Routes of reviews.

use axum::Json;
use axum::extract::State;
use whim_core::ReviewId;
use whim_core::protocol::reviews::{Review, ReviewFilter, ReviewPage};

use super::error::ApiError;
use super::extract::{Id, Query};
use super::page::Limit;
use crate::app::App;
use crate::db;

/// Lists reviews, newest first.
#[utoipa::path(get, path = "/api/reviews", tag = "reviews", params(ReviewFilter), responses((status = 200, description = "A page", body = ReviewPage)))]
pub(super) async fn list_reviews(
    State(app): State<App>,
    Query(filter): Query<ReviewFilter>,
) -> Result<Json<ReviewPage>, ApiError> {
    let limit = Limit::of(filter.limit)?;
    let items = db::reviews::page(&app.database, &filter, limit.fetch()).await?;
    let (items, next_cursor) = limit.cut(items, |review| review.id);
    Ok(Json(ReviewPage { items, next_cursor }))
}

/// Returns a review with its findings.
#[utoipa::path(get, path = "/api/reviews/{id}", tag = "reviews", params(("id" = ReviewId, Path, description = "The review")), responses((status = 200, description = "The review with its findings", body = Review)))]
pub(super) async fn get_review(
    State(app): State<App>,
    Id(id): Id<ReviewId>,
) -> Result<Json<Review>, ApiError> {
    let review = db::reviews::find(&app.database, id).await?;
    let review = review.ok_or_else(|| ApiError::not_found(format!("review {id} does not exist")))?;
    Ok(Json(review))
}
