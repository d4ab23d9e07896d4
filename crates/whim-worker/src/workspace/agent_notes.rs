//! The file in which agents read the notes of the people who requested the work.

use std::io;
use std::path::PathBuf;

use super::files;
use crate::report::NotesFile;

/// `notes.md` in a workspace. Agents may be running.
#[derive(Clone, Debug)]
pub struct AgentNotes {
    pub(super) repository: PathBuf,
    pub(super) path: String,
}

impl NotesFile for AgentNotes {
    fn replace(&self, content: &str) -> io::Result<()> {
        files::replace(&self.repository, &self.path, content)
    }
}
