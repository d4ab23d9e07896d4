//! Notes of people to the agent that works on an item.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{NoteId, UserName, WorkItemId};

/// Limit of a note's text, in characters.
pub const MAX_NOTE_CHARACTERS: usize = 4000;
/// Limit of notes of one run.
pub const MAX_NOTES: u32 = 50;
/// Limit of a source key, in characters.
pub const MAX_SOURCE_KEY_CHARACTERS: usize = 200;

/// `POST /api/work/:id/notes`, in any live state: the next iteration of the agent has the note in its prompt, and so has every
/// later one of the run.
///
/// 201 with the note. 200 with the existing one of the same `sourceKey`, also if the item has ended since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddNote {
    /// The words: 1 to 4000 characters, without control characters but tabs and line breaks. Stored without surrounding
    /// space.
    #[cfg_attr(
        feature = "openapi",
        schema(
            min_length = 1,
            max_length = 4000,
            pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
        )
    )]
    pub text: String,
    /// Who wrote it; part of the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<UserName>,
    /// Reference at the source, such as `comment:17`. Makes the request idempotent for the item. 1 to 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 200, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub source_key: Option<String>,
}

/// A note of a person to the agent of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Note {
    pub id: NoteId,
    pub work_item_id: WorkItemId,
    /// The run that it belongs to: the item's current one when it was written.
    pub run: u32,
    pub text: String,
    /// Who wrote it.
    pub author: Option<UserName>,
    pub created_at: DateTime<Utc>,
    /// When a prompt of an agent had it for the first time; `null` while none had.
    pub delivered_at: Option<DateTime<Utc>>,
    /// The attempt whose agent that was: 1 for the first.
    pub attempt: Option<u32>,
}

/// `GET /api/work/:id/notes` and `GET /api/worker/:id/notes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Notes {
    /// Oldest first.
    pub notes: Vec<Note>,
}
