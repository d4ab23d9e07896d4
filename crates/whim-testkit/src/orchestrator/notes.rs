//! Notes to the agents of items.

use chrono::Utc;
use serde_json::json;
use whim_core::protocol::ErrorCode;
use whim_core::protocol::notes::{
    AddNote, MAX_NOTE_CHARACTERS, MAX_NOTES, MAX_SOURCE_KEY_CHARACTERS, Note, Notes,
};
use whim_core::{NoteId, WorkItemId, WorkItemStatus, WorkerId};

use super::api_error::ApiError;
use super::handle::Orchestrator;
use super::item_controls::allowed;
use super::state::{State, StoredNote};

impl State {
    /// The note, and whether it is new.
    pub(super) fn add_note(&mut self, id: WorkItemId, request: AddNote) -> Result<(Note, bool), ApiError> {
        check("text", &request.text, MAX_NOTE_CHARACTERS)?;
        if let Some(source_key) = &request.source_key {
            check("sourceKey", source_key, MAX_SOURCE_KEY_CHARACTERS)?;
        }
        let item = self.item(id)?;
        let (run, status) = (item.run, item.status);
        let is_same = |stored: &&StoredNote| {
            stored.note.work_item_id == id
                && stored.source_key.is_some()
                && stored.source_key == request.source_key
        };
        if let Some(stored) = self.notes.iter().find(is_same) {
            return Ok((stored.note.clone(), false));
        }
        if status.is_terminal() {
            return Err(ApiError::wrong_state(status));
        }
        if self.note_count(id, run) >= MAX_NOTES {
            let error = ApiError::new(ErrorCode::LimitReached, "the run has too many notes");
            return Err(error.with_details(json!({ "limit": MAX_NOTES })));
        }
        let note = Note {
            id: NoteId::new(),
            work_item_id: id,
            run,
            text: request.text.trim().to_owned(),
            author: request.author,
            created_at: Utc::now(),
            delivered_at: None,
            attempt: None,
        };
        self.notes.push(StoredNote {
            source_key: request.source_key,
            note: note.clone(),
        });
        Ok((note, true))
    }

    pub(super) fn notes_of_item(&self, id: WorkItemId) -> Result<Notes, ApiError> {
        self.item(id)?;
        let of_item = self.notes.iter().filter(|stored| stored.note.work_item_id == id);
        let notes = of_item.map(|stored| stored.note.clone()).collect();
        Ok(Notes { notes })
    }

    pub(super) fn notes_of_run(&self, id: WorkItemId, run: u32) -> Vec<Note> {
        let of_run = |stored: &&StoredNote| stored.note.work_item_id == id && stored.note.run == run;
        let notes = self.notes.iter().filter(of_run);
        notes.map(|stored| stored.note.clone()).collect()
    }

    pub(super) fn note_count(&self, id: WorkItemId, run: u32) -> u32 {
        u32::try_from(self.notes_of_run(id, run).len()).unwrap_or(u32::MAX)
    }

    pub(super) fn run_notes(&mut self, caller: WorkerId) -> Result<Notes, ApiError> {
        let item = self.leased_item(caller, &[WorkItemStatus::InProgress])?;
        let run = self.item(item)?.run;
        Ok(Notes {
            notes: self.notes_of_run(item, run),
        })
    }

    /// An agent of the attempt has the first `count` notes of the run.
    pub(super) fn deliver_notes(&mut self, id: WorkItemId, run: u32, count: u32, attempt: u32) {
        let of_run = |stored: &&mut StoredNote| stored.note.work_item_id == id && stored.note.run == run;
        let delivered = self.notes.iter_mut().filter(of_run).take(count as usize);
        for stored in delivered {
            if stored.note.delivered_at.is_none() {
                stored.note.delivered_at = Some(Utc::now());
                stored.note.attempt = Some(attempt);
            }
        }
    }
}

fn check(field: &str, text: &str, max_characters: usize) -> Result<(), ApiError> {
    if text.trim().is_empty() || text.chars().count() > max_characters || text.contains('\0') {
        let problem = format!("expected 1 to {max_characters} characters without NUL");
        return Err(ApiError::invalid(field, problem));
    }
    Ok(())
}

impl Orchestrator {
    /// `POST /api/work/{id}/notes` of another client.
    ///
    /// # Panics
    /// The orchestrator would refuse it.
    #[track_caller]
    pub fn add_note(&self, id: WorkItemId, text: &str) -> Note {
        let added = self.shared.write().add_note(
            id,
            AddNote {
                text: text.to_owned(),
                author: None,
                source_key: None,
            },
        );
        allowed(added).0
    }

    /// The notes of an item, oldest first.
    ///
    /// # Panics
    /// There is no such item.
    #[must_use]
    #[track_caller]
    pub fn notes(&self, id: WorkItemId) -> Vec<Note> {
        let notes = self.shared.read().notes_of_item(id);
        allowed(notes).notes
    }
}
