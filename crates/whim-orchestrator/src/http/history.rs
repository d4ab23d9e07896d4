//! Routes of what happened to an item.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse;
use futures::StreamExt as _;
use whim_core::WorkItemId;
use whim_core::protocol::diff::Diff;
use whim_core::protocol::timeline::{Timeline, TimelineFilter};
use whim_core::protocol::transcript::{TranscriptFilter, TranscriptPage};

use super::error::ApiError;
use super::extract::{Id, Query};
use super::page::Limit;
use crate::app::App;
use crate::history;

/// The transcript of an attempt: what the agent said and did.
#[utoipa::path(get, path = "/api/work/{id}/transcript", tag = "history", params(("id" = WorkItemId, Path, description = "The work item"), TranscriptFilter), responses((status = 200, description = "A page, oldest first", body = TranscriptPage)))]
pub(super) async fn get_transcript(
    State(app): State<App>,
    Id(id): Id<WorkItemId>,
    Query(filter): Query<TranscriptFilter>,
) -> Result<Json<TranscriptPage>, ApiError> {
    let limit = Limit::of(filter.limit)?;
    // No transcript has that many entries.
    let after = i64::try_from(filter.after.unwrap_or(0)).unwrap_or(i64::MAX);
    let transcript = history::transcript(&app, id, filter.attempt, after, limit.length()).await?;
    let extent = transcript.extent;
    Ok(Json(TranscriptPage {
        work_item_id: id,
        worker_id: extent.map(|extent| extent.worker),
        lease_epoch: extent.map(|extent| extent.lease_epoch),
        first_number: extent
            .and_then(|extent| extent.first_number)
            .map(i64::cast_unsigned),
        last_number: extent.map_or(0, |extent| extent.last_number.cast_unsigned()),
        items: transcript.entries,
        next_cursor: transcript.next.map(i64::cast_unsigned),
    }))
}

/// What an item changed: the difference between its base branch and the latest push.
#[utoipa::path(get, path = "/api/work/{id}/diff", tag = "history", params(("id" = WorkItemId, Path, description = "The work item")), responses((status = 200, description = "The diff; without files before the first push", body = Diff)))]
pub(super) async fn get_diff(State(app): State<App>, Id(id): Id<WorkItemId>) -> Result<Json<Diff>, ApiError> {
    Ok(Json(history::diff(&app, id).await?))
}

const DEFAULT_ATTEMPTS: u32 = 20;
const MAX_ATTEMPTS: u32 = 50;

/// The attempts of an item: stages, iterations, commits, tests, reviews and cost.
#[utoipa::path(get, path = "/api/work/{id}/timeline", tag = "history", params(("id" = WorkItemId, Path, description = "The work item"), TimelineFilter), responses((status = 200, description = "A page, newest attempt first", body = Timeline)))]
pub(super) async fn get_timeline(
    State(app): State<App>,
    Id(id): Id<WorkItemId>,
    Query(filter): Query<TimelineFilter>,
) -> Result<Json<Timeline>, ApiError> {
    let limit = Limit::within(filter.limit, DEFAULT_ATTEMPTS, MAX_ATTEMPTS)?;
    let attempts = history::timeline(&app, id, filter.cursor, limit.fetch()).await?;
    let (items, next_cursor) = limit.cut(attempts, |attempt| attempt.lease_epoch);
    Ok(Json(Timeline { items, next_cursor }))
}

/// Everything about an item in one archive: the item, its spec, events, transcripts, diff, timeline and reviews.
#[utoipa::path(get, path = "/api/work/{id}/export", tag = "history", params(("id" = WorkItemId, Path, description = "The work item")), responses((status = 200, description = "A tar archive, compressed with zstd", body = String, content_type = "application/zstd")))]
pub(super) async fn export_work(
    State(app): State<App>,
    Id(id): Id<WorkItemId>,
) -> Result<impl IntoResponse, ApiError> {
    let closing = app.closing.clone();
    // A graceful stop would wait for the stream otherwise.
    let archive = history::export(app, id)
        .await?
        .take_until(closing.cancelled_owned());
    let name = format!("attachment; filename=\"whim-{}.tar.zst\"", id.short());
    let headers = [
        (CONTENT_TYPE, "application/zstd".to_owned()),
        (CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(archive)))
}
