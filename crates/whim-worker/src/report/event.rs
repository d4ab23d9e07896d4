//! Bounds the size of `ralph`'s events, so that a single one cannot fill a heartbeat.

use serde_json::{Map, Value};
use whim_core::protocol::events::RalphEvent;

use crate::text::shorten;

/// Maximum size of an event as JSON.
pub(super) const MAX_EVENT_BYTES: usize = 4096;
/// Maximum length of a text in an event that exceeds the maximum size.
pub(super) const MAX_TEXT_CHARACTERS: usize = 600;
const MAX_ENTRIES: usize = 20;

/// Returns the event unchanged if it fits, else with long texts and lists truncated, else only its name.
pub(super) fn bounded(event: Value) -> RalphEvent {
    let fits = |event: &Value| event.to_string().len() <= MAX_EVENT_BYTES;
    let event = if fits(&event) { event } else { shortened(event) };
    if fits(&event)
        && let Value::Object(fields) = event
    {
        return fields.into();
    }
    let name = event.get("event").and_then(Value::as_str).unwrap_or_default();
    let cut = [("event", shorten(name, 100).into()), ("truncated", true.into())];
    cut.map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect::<Map<String, Value>>()
        .into()
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
    use serde_json::json;

    use super::*;

    fn as_value(event: RalphEvent) -> Value {
        serde_json::to_value(event).unwrap()
    }

    #[test]
    fn small_events_are_unchanged() {
        let event = json!({"event": "tool", "type": "read", "path": "src/lib.rs"});
        assert_eq!(as_value(bounded(event.clone())), event);
    }

    #[test]
    fn long_texts_are_truncated() {
        let event = as_value(bounded(json!({"event": "failed", "error": "x".repeat(100_000)})));
        assert_eq!(
            event["error"].as_str().map(|text| text.chars().count()),
            Some(601)
        );
    }

    #[test]
    fn only_the_name_is_kept_of_an_event_that_cannot_be_truncated_enough() {
        let nested: Vec<Vec<String>> = vec![vec!["x".repeat(1000); 30]; 30];
        assert_eq!(
            as_value(bounded(json!({"event": "new_kind", "data": nested}))),
            json!({"event": "new_kind", "truncated": true})
        );
    }
}
