//! Bounds on the texts of events. A reader gets the beginning and the end of a text, and the number of bytes between them.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::{Map, Value};

/// Limit of a text in an event, in bytes.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;
/// Limit of the input of a tool call as JSON, in bytes.
pub const MAX_INPUT_BYTES: usize = 32 * 1024;
/// Limit of the texts and inputs that one iteration reports, in bytes.
pub const MAX_ITERATION_BYTES: usize = 4 * 1024 * 1024;

const MARK_START: &str = "\n[… ";
const MARK_END: &str = " bytes left out …]\n";
/// Longest mark: 20 digits.
const MAX_MARK_BYTES: usize = MARK_START.len() + 20 + MARK_END.len();

/// A text of at most `limit` bytes, which is at least 100, and the number of bytes that were cut out of its middle. Two
/// thirds of what is kept are the beginning.
pub fn bounded_text(text: &str, limit: usize) -> (Cow<'_, str>, u64) {
    if text.len() <= limit {
        return (Cow::Borrowed(text), 0);
    }
    let kept = limit.saturating_sub(MAX_MARK_BYTES);
    let head_end = text.floor_char_boundary(kept / 3 * 2);
    let tail_start = text.ceil_char_boundary(text.len() - kept / 3);
    let cut = tail_start - head_end;
    let (head, tail) = (&text[..head_end], &text[tail_start..]);
    (
        Cow::Owned(format!("{head}{MARK_START}{cut}{MARK_END}{tail}")),
        cut as u64,
    )
}

/// Where bytes were cut out of a text. A reader that masks secrets has to consider that one may be cut there.
pub fn cut_marks(text: &str) -> Vec<Range<usize>> {
    let mut marks = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find(MARK_START).map(|start| from + start) {
        from = start + MARK_START.len();
        let digits = text[from..].bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && text[from + digits..].starts_with(MARK_END) {
            from += digits + MARK_END.len();
            marks.push(start..from);
        }
    }
    marks
}

/// The input of a tool call with long texts cut, and the number of bytes that were cut. Empty if cutting its texts does
/// not make it small enough.
pub fn bounded_input(input: Map<String, Value>) -> (Map<String, Value>, u64) {
    let size =
        |input: &Map<String, Value>| serde_json::to_string(input).map_or(usize::MAX, |json| json.len());
    let whole = size(&input);
    if whole <= MAX_INPUT_BYTES {
        return (input, 0);
    }
    for limit in [MAX_TEXT_BYTES, MAX_TEXT_BYTES / 4, MAX_TEXT_BYTES / 64] {
        let mut cut = 0;
        let bounded = bounded_fields(&input, limit, &mut cut);
        if size(&bounded) <= MAX_INPUT_BYTES {
            return (bounded, cut);
        }
    }
    (Map::new(), whole as u64)
}

fn bounded_fields(fields: &Map<String, Value>, limit: usize, cut: &mut u64) -> Map<String, Value> {
    fields
        .iter()
        .map(|(name, value)| (name.clone(), bounded_value(value, limit, cut)))
        .collect()
}

fn bounded_value(value: &Value, limit: usize, cut: &mut u64) -> Value {
    match value {
        Value::String(text) => {
            let (text, bytes) = bounded_text(text, limit);
            *cut += bytes;
            Value::String(text.into_owned())
        }
        Value::Array(values) => values
            .iter()
            .map(|value| bounded_value(value, limit, cut))
            .collect(),
        Value::Object(fields) => Value::Object(bounded_fields(fields, limit, cut)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(fields) = value else {
            panic!("{value}");
        };
        fields
    }

    #[test]
    fn the_middle_of_a_long_text_is_cut_and_the_place_says_how_much() {
        let text = format!("{}{}{}", "a".repeat(100), "b".repeat(1000), "c".repeat(50));
        let (bounded, cut) = bounded_text(&text, 200);
        assert!(
            bounded.starts_with("aaa") && bounded.ends_with("ccc"),
            "{bounded}"
        );
        assert!(
            bounded.contains(&format!("\n[… {cut} bytes left out …]\n")),
            "{bounded}"
        );
        assert_eq!(bounded_text("short", 200), (Cow::Borrowed("short"), 0));
    }

    #[test]
    fn only_the_long_texts_of_an_input_are_cut() {
        let long = "x".repeat(100_000);
        let input = object(json!({ "path": "a.rs", "edits": [{ "old": long, "new": "y" }], "count": 3 }));
        let (bounded, cut) = bounded_input(input);
        assert_eq!((&bounded["path"], &bounded["count"]), (&json!("a.rs"), &json!(3)));
        assert_eq!(bounded["edits"][0]["new"], "y");
        assert!(cut > 80_000, "{cut}");
    }

    #[test]
    fn an_input_of_too_many_values_is_left_out() {
        let input = object(json!({ "numbers": vec![1_234_567; 10_000] }));
        let (bounded, cut) = bounded_input(input);
        assert!(bounded.is_empty());
        assert!(cut > 70_000, "{cut}");
    }

    proptest! {
        #[test]
        fn a_text_is_cut_between_characters_to_its_limit_and_loses_what_is_counted(
            text in "(a|é|🦀|\n|\\[… ){0,900}", limit in 100usize..800,
        ) {
            let (bounded, cut) = bounded_text(&text, limit);
            prop_assert!(bounded.len() <= limit);
            if cut == 0 {
                prop_assert_eq!(&bounded, &text);
            } else {
                let marks = cut_marks(&bounded);
                let lost = marks.iter().find(|mark| {
                    bounded.len() - mark.len() + cut as usize == text.len()
                        && text.starts_with(&bounded[..mark.start])
                        && text.ends_with(&bounded[mark.end..])
                });
                prop_assert!(lost.is_some(), "{:?}", bounded);
            }
        }
    }
}
