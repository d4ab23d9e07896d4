//! Bounds the size of `ralph`'s events, so that a single one cannot fill a heartbeat.

use serde_json::{Value, json};

use crate::text::shorten;

/// Maximum size of an event as JSON.
pub(super) const MAX_EVENT_BYTES: usize = 4096;
/// Maximum length of a text in an event that exceeds the maximum size.
pub(super) const MAX_TEXT_CHARACTERS: usize = 600;
const MAX_ENTRIES: usize = 20;

/// Returns the event unchanged if it fits, else with long texts and lists truncated, else only its name.
pub(super) fn bounded(event: Value) -> Value {
    if event.to_string().len() <= MAX_EVENT_BYTES {
        return event;
    }
    let shortened = shortened(event);
    if shortened.to_string().len() <= MAX_EVENT_BYTES {
        return shortened;
    }
    let name = shortened.get("event").and_then(Value::as_str).unwrap_or_default();
    json!({ "event": shorten(name, 100), "truncated": true })
}

fn shortened(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(shorten(&text, MAX_TEXT_CHARACTERS)),
        Value::Array(values) => values.into_iter().take(MAX_ENTRIES).map(shortened).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .take(MAX_ENTRIES)
            .map(|(name, value)| (name, shortened(value)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_events_are_unchanged() {
        let event = json!({"event": "tool", "type": "read", "path": "src/lib.rs"});
        assert_eq!(bounded(event.clone()), event);
    }

    #[test]
    fn long_texts_are_truncated() {
        let event = bounded(json!({"event": "failed", "error": "x".repeat(100_000)}));
        assert_eq!(
            event["error"].as_str().map(|text| text.chars().count()),
            Some(601)
        );
    }

    #[test]
    fn only_the_name_is_kept_of_an_event_that_cannot_be_truncated_enough() {
        let nested: Vec<Vec<String>> = vec![vec!["x".repeat(1000); 30]; 30];
        assert_eq!(
            bounded(json!({"event": "new_kind", "data": nested})),
            json!({"event": "new_kind", "truncated": true})
        );
    }
}
