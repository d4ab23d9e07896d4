//! Conversion between events and lines of standard output.

use serde_json::Value;

use crate::event::Event;

/// A line of `ralph`'s standard output.
///
/// An event with an unknown tag is kept and passed on. A known event with an unexpected body is corruption or a bug, and should
/// be reported.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// An event of this contract.
    Event(Event),
    /// An event with an unknown tag.
    Unknown {
        event: String,
        /// The whole line.
        raw: String,
    },
    /// Not an event: text that some program printed.
    Text(String),
    /// An event with a known tag and an unexpected body, or a line that starts like an event and is not JSON.
    Misfit {
        /// The tag, as far as it could be read.
        event: String,
        error: String,
        /// The whole line.
        raw: String,
    },
}

/// Reads one line, with or without its line ending. Accepts any text.
pub fn parse_line(line: &str) -> Line {
    let raw = line.trim();
    let value: Value = match serde_json::from_str(raw) {
        Ok(value) => value,
        Err(error) if raw.starts_with(r#"{"event""#) => {
            let event = raw.split('"').nth(3).unwrap_or_default();
            return Line::Misfit {
                event: event.to_owned(),
                error: error.to_string(),
                raw: raw.to_owned(),
            };
        }
        Err(_) => return Line::Text(line.trim_end_matches(['\r', '\n']).to_owned()),
    };
    let Some(event) = value.get("event").and_then(Value::as_str).map(str::to_owned) else {
        return Line::Text(line.trim_end_matches(['\r', '\n']).to_owned());
    };
    if !Event::NAMES.contains(&event.as_str()) {
        return Line::Unknown {
            event,
            raw: raw.to_owned(),
        };
    }
    match serde_json::from_value(value) {
        Ok(event) => Line::Event(event),
        Err(error) => Line::Misfit {
            event,
            error: error.to_string(),
            raw: raw.to_owned(),
        },
    }
}

/// Writes one event as one line, without the line ending. JSON escapes newlines.
pub fn to_line(event: &Event) -> String {
    // Serialising to memory fails only for maps with keys that are not strings, of which `Event` has none.
    serde_json::to_string(event).unwrap_or_else(|_| format!(r#"{{"event":"{}"}}"#, event.name()))
}
