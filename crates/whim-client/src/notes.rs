//! Notes to the agents of items.

use whim_core::WorkItemId;
use whim_core::protocol::notes::{AddNote, Note, Notes};

use crate::http::{Call, Repeat};
use crate::{Client, ClientError};

impl Client {
    /// `POST /api/work/:id/notes`: the new note, or the existing one with this `sourceKey`. Repeated without a response only
    /// with a `sourceKey`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add_note(&self, id: WorkItemId, note: &AddNote) -> Result<Note, ClientError> {
        let repeat = if note.source_key.is_some() {
            Repeat::Idempotent
        } else {
            Repeat::IfNotSent
        };
        let id = id.to_string();
        self.http
            .send(Call::post(["api", "work", &id, "notes"], note, repeat))
            .await
    }

    /// `GET /api/work/:id/notes`: those of every run, oldest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn list_notes(&self, id: WorkItemId) -> Result<Notes, ClientError> {
        let id = id.to_string();
        self.http.send(Call::get(["api", "work", &id, "notes"])).await
    }
}
