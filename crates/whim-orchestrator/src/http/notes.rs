//! Routes of notes to the agent of an item.

use axum::extract::State;
use axum::http::StatusCode;
use whim_core::WorkItemId;
use whim_core::protocol::notes::{AddNote, Note, Notes};

use super::error::ApiError;
use super::extract::{Id, Json};
use crate::app::App;
use crate::work::{self, AddedNote};

/// Adds a note to the agent of an item in any live state.
///
/// The next iteration of the agent has it in its prompt, and so has every later one of the run. An ended item takes none.
#[utoipa::path(post, path = "/api/work/{id}/notes", tag = "work", params(("id" = WorkItemId, Path, description = "The work item")), request_body = AddNote, responses((status = 201, description = "The new note", body = Note), (status = 200, description = "The existing note with this `sourceKey`", body = Note)))]
pub(super) async fn add_note(
    State(app): State<App>,
    Id(id): Id<WorkItemId>,
    Json(body): Json<AddNote>,
) -> Result<(StatusCode, axum::Json<Note>), ApiError> {
    Ok(match work::add_note(&app, id, body).await? {
        AddedNote::New(note) => (StatusCode::CREATED, axum::Json(note)),
        AddedNote::Existing(note) => (StatusCode::OK, axum::Json(note)),
    })
}

/// The notes of every run of an item; at most the newest 500.
#[utoipa::path(get, path = "/api/work/{id}/notes", tag = "work", params(("id" = WorkItemId, Path, description = "The work item")), responses((status = 200, description = "The notes, oldest first", body = Notes)))]
pub(super) async fn list_notes(
    State(app): State<App>,
    Id(id): Id<WorkItemId>,
) -> Result<axum::Json<Notes>, ApiError> {
    Ok(axum::Json(work::notes(&app, id).await?))
}
