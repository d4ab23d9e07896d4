//! The requirements for working on a document, apart from conventions.

use super::document::SpecDocument;
use super::template::placeholder_line;

/// The largest SPEC.md that is accepted, in bytes (256 KiB).
pub const MAX_SPEC_BYTES: usize = 256 * 1024;

/// The most tasks that a SPEC.md may have, done and open.
pub const MAX_TASKS: usize = 200;

/// Why a document cannot be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSubmittable {
    /// More than [`MAX_SPEC_BYTES`].
    #[error("the spec has {bytes} bytes; at most {MAX_SPEC_BYTES} are accepted")]
    TooLarge { bytes: usize },
    /// It contains a NUL character, which databases and command lines cannot represent.
    #[error("the spec contains a NUL character at byte {offset}")]
    NulCharacter {
        /// Of the first one, from 0.
        offset: usize,
    },
    #[error("the spec has no task: write at least one `- [ ] …` item")]
    NoTasks,
    /// More than [`MAX_TASKS`].
    #[error("the spec has {tasks} tasks; at most {MAX_TASKS} are accepted")]
    TooManyTasks { tasks: usize },
    #[error("every task of the spec is done already: there is nothing to do")]
    NothingOpen,
    /// It still has text of the template that `ralph init` writes.
    #[error("line {line} of the spec is a placeholder of the template: replace it with your own text")]
    Placeholder {
        /// From 1.
        line: usize,
    },
}

impl SpecDocument {
    /// Whether the document can be worked on: within the limits, without placeholders, and with an open task.
    ///
    /// # Errors
    /// The first requirement that is not met.
    pub fn check_submittable(&self) -> Result<(), NotSubmittable> {
        let bytes = self.as_str().len();
        if bytes > MAX_SPEC_BYTES {
            return Err(NotSubmittable::TooLarge { bytes });
        }
        if let Some(offset) = self.as_str().find('\0') {
            return Err(NotSubmittable::NulCharacter { offset });
        }
        let tasks = self.tasks().len();
        if tasks == 0 {
            return Err(NotSubmittable::NoTasks);
        }
        if tasks > MAX_TASKS {
            return Err(NotSubmittable::TooManyTasks { tasks });
        }
        if self.is_complete() {
            return Err(NotSubmittable::NothingOpen);
        }
        if let Some(line) = placeholder_line(self.as_str()) {
            return Err(NotSubmittable::Placeholder { line });
        }
        Ok(())
    }
}
