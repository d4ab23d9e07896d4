//! What a document must be to be worked on at all, whatever its style.

use super::SpecDocument;

/// The largest SPEC.md that is accepted, in bytes (256 KiB).
pub const MAX_SPEC_BYTES: usize = 256 * 1024;

/// The most tasks that a SPEC.md may have, done and open.
pub const MAX_TASKS: usize = 200;

/// Why a document cannot be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSubmittable {
    /// More than [`MAX_SPEC_BYTES`].
    #[error("the spec has {bytes} bytes; at most {MAX_SPEC_BYTES} are accepted")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It holds a NUL character, which databases and command lines cannot carry.
    #[error("the spec holds a NUL character at byte {offset}")]
    NulCharacter {
        /// Where the first one is, from 0.
        offset: usize,
    },
    /// It has no checkbox.
    #[error("the spec has no task: write at least one `- [ ] …` item")]
    NoTasks,
    /// More than [`MAX_TASKS`].
    #[error("the spec has {tasks} tasks; at most {MAX_TASKS} are accepted")]
    TooManyTasks {
        /// How many it has.
        tasks: usize,
    },
    /// Every box is ticked already.
    #[error("every task of the spec is done already: there is nothing to do")]
    NothingOpen,
}

impl SpecDocument {
    /// Whether the document can be worked on: within the limits, and with an open task.
    ///
    /// # Errors
    /// The first thing that is in the way.
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
        Ok(())
    }
}
