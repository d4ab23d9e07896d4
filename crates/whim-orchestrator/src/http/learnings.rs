//! Routes of learnings.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use whim_core::protocol::learnings::{
    CreateLearning, Learning, LearningDetails, LearningFilter, LearningPage, LearningState, LearningsPreview,
    LearningsUplift, PreviewLearnings, QuarantineDecision, QuarantinePage, Quarantined, UpdateLearning,
};
use whim_core::{LearningId, WorkItemId};

use super::error::ApiError;
use super::extract::{Id, Json as JsonBody, Query};
use super::page::Limit;
use crate::app::App;
use crate::error::Error;
use crate::{db, learnings, validate};

/// Also in the types' constraints.
const MAX_QUERY_CHARACTERS: usize = 1000;
const MAX_SPEC_CHARACTERS: usize = 64 * 1024;
/// A person waits for a search.
const EMBED_LIMIT: Duration = Duration::from_secs(3);
/// Items per call of the intake.
const QUARANTINE_PAGE: i64 = 50;

/// Lists learnings, newest first; with `q`, searches those of a repository.
#[utoipa::path(get, path = "/api/learnings", tag = "learnings", params(LearningFilter), responses((status = 200, description = "A page", body = LearningPage)))]
pub(super) async fn learnings(
    State(app): State<App>,
    Query(filter): Query<LearningFilter>,
) -> Result<Json<LearningPage>, ApiError> {
    let limit = Limit::of(filter.limit)?;
    if filter.q.is_some() {
        return Ok(Json(search(&app, &filter, limit).await?));
    }
    let items = db::learnings::page(&app.database, &filter, limit.fetch()).await?;
    let (items, next_cursor) = limit.cut(items, |item| item.id);
    Ok(Json(LearningPage { items, next_cursor }))
}

async fn search(app: &App, filter: &LearningFilter, limit: Limit) -> Result<LearningPage, Error> {
    let query = filter.q.as_deref().unwrap_or_default();
    validate::text("q", query, MAX_QUERY_CHARACTERS)?;
    let Some(repo) = &filter.repo else {
        return Err(Error::invalid("repo", "expected a repository together with q"));
    };
    if filter.cursor.is_some() {
        return Err(Error::invalid(
            "cursor",
            "expected none together with q: a search has one page",
        ));
    }
    if !matches!(
        filter.state.unwrap_or_default(),
        LearningState::Current | LearningState::Pinned
    ) {
        return Err(Error::invalid(
            "state",
            "expected current or pinned together with q: others are not searched",
        ));
    }
    let found = learnings::search(app, repo, query, EMBED_LIMIT).await?;
    let items = found
        .into_iter()
        .filter(|item| filter.kind.is_none_or(|kind| item.kind == kind))
        .filter(|item| filter.state != Some(LearningState::Pinned) || item.pinned_at.is_some())
        .take(limit.length())
        .collect();
    Ok(LearningPage {
        items,
        next_cursor: None,
    })
}

/// Adds a learning that a person writes. Other items may receive it at once.
#[utoipa::path(post, path = "/api/learnings", tag = "learnings", request_body = CreateLearning, responses((status = 201, description = "The learning, or the one with the same text", body = Learning)))]
pub(super) async fn create_learning(
    State(app): State<App>,
    JsonBody(body): JsonBody<CreateLearning>,
) -> Result<(StatusCode, Json<Learning>), ApiError> {
    Ok((StatusCode::CREATED, Json(learnings::create(&app, body).await?)))
}

/// Returns a learning with its sources and its record.
#[utoipa::path(get, path = "/api/learnings/{id}", tag = "learnings", params(("id" = LearningId, Path, description = "The learning")), responses((status = 200, description = "The learning", body = LearningDetails)))]
pub(super) async fn get_learning(
    State(app): State<App>,
    Id(id): Id<LearningId>,
) -> Result<Json<LearningDetails>, ApiError> {
    Ok(Json(learnings::details(&app, id).await?))
}

/// Changes the text of a learning, pins it or retires it, or undoes that.
#[utoipa::path(patch, path = "/api/learnings/{id}", tag = "learnings", params(("id" = LearningId, Path, description = "The learning")), request_body = UpdateLearning, responses((status = 200, description = "The learning", body = Learning)))]
pub(super) async fn update_learning(
    State(app): State<App>,
    Id(id): Id<LearningId>,
    JsonBody(body): JsonBody<UpdateLearning>,
) -> Result<Json<Learning>, ApiError> {
    Ok(Json(learnings::update(&app, id, body).await?))
}

/// Deletes a learning with its record. Retiring it is usually better: a deleted one comes back when an agent reports it again.
#[utoipa::path(delete, path = "/api/learnings/{id}", tag = "learnings", params(("id" = LearningId, Path, description = "The learning")), responses((status = 204, description = "It is deleted")))]
pub(super) async fn delete_learning(
    State(app): State<App>,
    Id(id): Id<LearningId>,
) -> Result<StatusCode, ApiError> {
    if db::learnings::delete(&app.database, id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Error::NoSuchLearning(id).into())
    }
}

/// Returns what a spec would get, and why, without running anything.
#[utoipa::path(post, path = "/api/learnings/preview", tag = "learnings", request_body = PreviewLearnings, responses((status = 200, description = "The learnings", body = LearningsPreview)))]
pub(super) async fn preview_learnings(
    State(app): State<App>,
    JsonBody(body): JsonBody<PreviewLearnings>,
) -> Result<Json<LearningsPreview>, ApiError> {
    validate::text("spec", &body.spec, MAX_SPEC_CHARACTERS)?;
    Ok(Json(learnings::preview(&app, &body).await?))
}

/// Compares ended items that received learnings with those of the holdout.
#[utoipa::path(get, path = "/api/learnings/uplift", tag = "learnings", responses((status = 200, description = "The comparison", body = LearningsUplift)))]
pub(super) async fn learnings_uplift(State(app): State<App>) -> Result<Json<LearningsUplift>, ApiError> {
    Ok(Json(learnings::uplift(&app.database).await.map_err(Error::from)?))
}

/// Lists completed items whose learnings wait for their pull request, for the intake.
#[utoipa::path(get, path = "/api/learnings/quarantine", tag = "learnings", responses((status = 200, description = "The items", body = QuarantinePage)))]
pub(super) async fn learnings_quarantine(State(app): State<App>) -> Result<Json<QuarantinePage>, ApiError> {
    let items = db::learnings::sources::quarantined(&app.database, QUARANTINE_PAGE)
        .await
        .map_err(Error::from)?;
    Ok(Json(QuarantinePage { items }))
}

/// Reports what became of an item's pull request: after a merge, other items receive its learnings.
#[utoipa::path(put, path = "/api/learnings/quarantine/{id}", tag = "learnings", params(("id" = WorkItemId, Path, description = "The work item")), request_body = QuarantineDecision, responses((status = 200, description = "What that changed", body = Quarantined)))]
pub(super) async fn decide_quarantine(
    State(app): State<App>,
    Id(id): Id<WorkItemId>,
    JsonBody(body): JsonBody<QuarantineDecision>,
) -> Result<Json<Quarantined>, ApiError> {
    Ok(Json(learnings::decide(&app, id, body.outcome).await?))
}
