//! Text that people and programs submit: bounded, and such that Postgres can store it.

use crate::error::Error;

/// The longest note of a person, in bytes.
pub(crate) const MAX_NOTE_BYTES: usize = 4 * 1024;

/// Refuses text that is blank, longer than `max_bytes`, or has a NUL character, which no column can hold.
pub(crate) fn check(field: &'static str, text: &str, max_bytes: usize) -> Result<(), Error> {
    if text.trim().is_empty() {
        return Err(Error::invalid(field, "is empty"));
    }
    let bytes = text.len();
    if bytes > max_bytes {
        return Err(Error::invalid(
            field,
            format!("has {bytes} bytes; at most {max_bytes} are accepted"),
        ));
    }
    if text.contains('\0') {
        return Err(Error::invalid(field, "holds a NUL character"));
    }
    Ok(())
}
