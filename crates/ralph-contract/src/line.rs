//! Conversion between events and lines of standard output.

use std::borrow::Cow;

use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::event::Event;
use crate::surrogates::without_lone_surrogates;

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
    parse_line_and_json(line).0
}

/// The same with the JSON object of an event, for programs that pass it on unchanged.
pub fn parse_line_and_json(line: &str) -> (Line, Option<Map<String, Value>>) {
    let raw = line.trim();
    let text = || (Line::Text(line.trim_end_matches(['\r', '\n']).to_owned()), None);
    let object: Map<String, Value> = match read_json(raw) {
        Ok(Value::Object(object)) => object,
        Ok(_no_event) => return text(),
        Err(error) if raw.starts_with(r#"{"event""#) => {
            let event = raw.split('"').nth(3).unwrap_or_default();
            let misfit = Line::Misfit {
                event: event.to_owned(),
                error: error.to_string(),
                raw: raw.to_owned(),
            };
            return (misfit, None);
        }
        Err(_) => return text(),
    };
    let Some(event) = object.get("event").and_then(Value::as_str) else {
        return text();
    };
    let line = if Event::NAMES.contains(&event) {
        match Event::deserialize(&object) {
            Ok(event) => Line::Event(event),
            Err(error) => Line::Misfit {
                event: event.to_owned(),
                error: error.to_string(),
                raw: raw.to_owned(),
            },
        }
    } else {
        Line::Unknown {
            event: event.to_owned(),
            raw: raw.to_owned(),
        }
    };
    (line, Some(object))
}

fn read_json(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text).or_else(|error| match without_lone_surrogates(text) {
        Cow::Owned(fixed) => serde_json::from_str(&fixed),
        Cow::Borrowed(_) => Err(error),
    })
}

/// Writes one event as one line, without the line ending. JSON escapes newlines.
pub fn to_line(event: &Event) -> String {
    // Serialising to memory fails only for maps with keys that are not strings, of which `Event` has none.
    serde_json::to_string(event).unwrap_or_else(|_| format!(r#"{{"event":"{}"}}"#, event.name()))
}
