//! `POST /api/work/:id/notes` and `GET /api/work/:id/notes`.

use whim_core::WorkItemId;
use whim_core::protocol::notes::{
    AddNote, MAX_NOTE_CHARACTERS, MAX_NOTES, MAX_SOURCE_KEY_CHARACTERS, Note, Notes,
};

use crate::app::App;
use crate::db::notes::NewNote;
use crate::db::{in_transaction, notes, work_items};
use crate::error::Error;
use crate::validate;

/// Notes of an item that are listed: the newest ones. An item with more has been requeued at least ten times.
const MAX_LISTED: i64 = 500;

/// Result of a request to add a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddedNote {
    New(Note),
    /// The item had a note with this source key; nothing changed.
    Existing(Note),
}

/// Adds a note to the current run of an item that has not ended.
///
/// # Errors
/// There is no such item, it has ended, its run has too many notes, a field is invalid, or Postgres is unavailable.
pub async fn add_note(app: &App, id: WorkItemId, request: AddNote) -> Result<AddedNote, Error> {
    let AddNote {
        text,
        author,
        source_key,
    } = request;
    validate::text("text", &text, MAX_NOTE_CHARACTERS)?;
    validate::no_control_characters("text", &text)?;
    if let Some(source_key) = &source_key {
        validate::text("sourceKey", source_key, MAX_SOURCE_KEY_CHARACTERS)?;
    }
    // To Markdown, a carriage return alone is the end of a line too.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let new = NewNote {
        text: text.trim(),
        author: author.as_ref(),
        source_key: source_key.as_deref(),
    };
    let added = in_transaction(&app.database, async |db| {
        let item = work_items::lock(db, id).await?.ok_or(Error::NoSuchItem(id))?;
        if let Some(source_key) = new.source_key
            && let Some(existing) = notes::with_source_key(&mut *db, id, source_key).await?
        {
            return Ok(AddedNote::Existing(existing));
        }
        if item.status.is_terminal() {
            return Err(Error::NoteAfterEnd { now: item.status });
        }
        if item.note_count >= MAX_NOTES {
            return Err(Error::TooManyNotes { limit: MAX_NOTES });
        }
        Ok(AddedNote::New(notes::insert(db, id, new).await?))
    })
    .await?;
    if let AddedNote::New(note) = &added {
        let author = note.author.as_ref().map(tracing::field::display);
        tracing::info!(work_item_id = %id, note_id = %note.id, run = note.run, author, "note added");
    }
    Ok(added)
}

/// The notes of every run of an item, oldest first.
///
/// # Errors
/// There is no such item, or Postgres is unavailable.
pub async fn notes(app: &App, id: WorkItemId) -> Result<Notes, Error> {
    let notes = notes::of_item(&app.database, id, MAX_LISTED).await?;
    if notes.is_empty() && !work_items::exists(&app.database, id).await? {
        return Err(Error::NoSuchItem(id));
    }
    Ok(Notes { notes })
}
