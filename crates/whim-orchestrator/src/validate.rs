//! Validation of submitted text.

use crate::error::Error;

/// Limit for short texts such as the reason of a pause.
pub(crate) const MAX_REASON_CHARACTERS: usize = 4 * 1024;

/// Rejects text that is blank, longer than `max_characters`, or contains a NUL character, which Postgres cannot store.
/// The OpenAPI document states the same limits; JSON Schema counts characters.
pub(crate) fn text(field: &'static str, text: &str, max_characters: usize) -> Result<(), Error> {
    if text.trim().is_empty() {
        return Err(Error::invalid(field, "is empty; expected text"));
    }
    // No text has more characters than bytes.
    if text.len() > max_characters {
        let characters = text.chars().count();
        if characters > max_characters {
            let problem = format!("has {characters} characters; expected at most {max_characters}");
            return Err(Error::invalid(field, problem));
        }
    }
    if text.contains('\0') {
        return Err(Error::invalid(
            field,
            "contains a NUL character; expected text without",
        ));
    }
    Ok(())
}

/// Rejects text with control characters other than tabs and line breaks.
pub(crate) fn no_control_characters(field: &'static str, text: &str) -> Result<(), Error> {
    let is_refused = |c: &char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    match text.chars().find(is_refused) {
        Some(found) => {
            let problem = format!(
                "contains the control character U+{:04X}; expected text without",
                u32::from(found)
            );
            Err(Error::invalid(field, problem))
        }
        None => Ok(()),
    }
}
