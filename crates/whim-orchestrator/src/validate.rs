//! Validation of submitted text.

use crate::error::Error;

/// Limit for short notes such as the reason of a pause.
pub(crate) const MAX_NOTE_BYTES: usize = 4 * 1024;

/// Rejects text that is blank, longer than `max_bytes`, or contains a NUL character, which Postgres cannot store.
pub(crate) fn text(field: &'static str, text: &str, max_bytes: usize) -> Result<(), Error> {
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
        return Err(Error::invalid(field, "contains a NUL character"));
    }
    Ok(())
}
