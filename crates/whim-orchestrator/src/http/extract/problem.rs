//! Errors of serde in the terms of the API: what the value was, and what it may be. Their own texts name types of Rust
//! and positions in the input.

/// The longest value that is quoted, in characters.
const MAX_QUOTED: usize = 80;

/// What is wrong with a field.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// The field, if only the text of the error names it.
    pub(super) field: Option<String>,
    pub(super) text: String,
}

impl Problem {
    pub(super) fn of(message: &str) -> Self {
        let message = without_position(message);
        if let Some((field, expected)) = named(message, "unknown field ") {
            let text = match choices(expected) {
                None => "is unknown; no fields are expected".to_owned(),
                Some(names) => format!("is unknown; expected {names}"),
            };
            return Self::about(field, text);
        }
        if let Some((field, _)) = named(message, "missing field ") {
            return Self::about(field, "is missing".to_owned());
        }
        if let Some((field, _)) = named(message, "duplicate field ") {
            return Self::about(field, "is given twice".to_owned());
        }
        let text = if let Some((value, expected)) = named(message, "unknown variant ") {
            let names = choices(expected).unwrap_or_default();
            format!("was {}; expected {names}", quoted(value))
        } else if let Some((found, expected)) = mismatch(message) {
            format!(
                "was {}; expected {}",
                found_value(found),
                expected_value(expected)
            )
        } else if TIME_ERRORS.contains(&message) {
            // The texts do not say which of the two was expected.
            format!("is not a time; expected {RFC_3339}, or for a day {DAY}")
        } else {
            message.to_owned()
        };
        Self { field: None, text }
    }

    fn about(field: &str, text: String) -> Self {
        Self {
            field: Some(field.to_owned()),
            text,
        }
    }
}

const RFC_3339: &str = "an RFC 3339 time, for example 2026-11-28T09:30:00Z";

const DAY: &str = "a date such as 2026-11-28";

/// The texts of `chrono::ParseError`.
const TIME_ERRORS: [&str; 7] = [
    "input is out of range",
    "no possible date and time matching input",
    "input is not enough for unique date and time",
    "input contains invalid characters",
    "premature end of input",
    "trailing input",
    "bad or unsupported format string",
];

/// serde_json appends ` at line 1 column 49`.
fn without_position(message: &str) -> &str {
    match message.rsplit_once(" at line ") {
        Some((text, position)) if position.contains(" column ") => text,
        Some(_) | None => message,
    }
}

/// The name between backquotes after `beginning`, and the rest.
fn named<'a>(message: &'a str, beginning: &str) -> Option<(&'a str, &'a str)> {
    message
        .strip_prefix(beginning)?
        .strip_prefix('`')?
        .split_once('`')
}

/// `, expected one of \`a\`, \`b\`` as `a, b`; `None` if there are none.
fn choices(expected: &str) -> Option<String> {
    let list = expected.strip_prefix(", expected ")?;
    let list = list.strip_prefix("one of ").unwrap_or(list);
    Some(list.replace('`', ""))
}

fn mismatch(message: &str) -> Option<(&str, &str)> {
    ["invalid type: ", "invalid value: ", "invalid length "]
        .iter()
        .find_map(|beginning| message.strip_prefix(beginning))?
        .rsplit_once(", expected ")
}

/// A value as JSON, from serde's description of it.
fn found_value(found: &str) -> String {
    if let Some(text) = found
        .strip_prefix("string \"")
        .and_then(|text| text.strip_suffix('"'))
    {
        return quoted(text);
    }
    for kind in ["integer `", "floating point `", "boolean `"] {
        if let Some(value) = found.strip_prefix(kind).and_then(|value| value.strip_suffix('`')) {
            return value.to_owned();
        }
    }
    match found {
        "unit value" => "null",
        "sequence" => "an array",
        "map" => "an object",
        other => other,
    }
    .to_owned()
}

/// Neither quotes nor escapes are added inside: the text may be escaped already.
fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_QUOTED).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

fn expected_value(expected: &str) -> String {
    match expected {
        "u8" => range(0, u8::MAX.into()),
        "u16" => range(0, u16::MAX.into()),
        "u32" => range(0, u32::MAX.into()),
        "u64" | "usize" => range(0, u64::MAX),
        "a nonzero u32" => range(1, u32::MAX.into()),
        "a nonzero u64" => range(1, u64::MAX),
        "i32" | "i64" => "an integer".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "an array".to_owned(),
        "string or map" => "a string".to_owned(),
        "a map" => "an object".to_owned(),
        "an RFC 3339 formatted date and time string" => RFC_3339.to_owned(),
        name if name.starts_with("struct ") || name.contains("enum ") => "an object".to_owned(),
        other => other.to_owned(),
    }
}

fn range(lowest: u64, highest: u64) -> String {
    format!("an integer from {lowest} to {highest}")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use chrono::{DateTime, Utc};
    use serde::Deserialize;
    use whim_core::{Priority, RepoName, WorkItemId};

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
    struct Request {
        count: u32,
        max_iterations: Option<NonZeroU32>,
        priority: Priority,
        flag: bool,
        text: String,
        list: Vec<String>,
        at: DateTime<Utc>,
        id: Option<WorkItemId>,
        repo: Option<RepoName>,
    }

    fn text_of(json: &str) -> String {
        let error = serde_json::from_str::<Request>(json).unwrap_err();
        let Problem { field, text } = Problem::of(&error.to_string());
        field.map_or(text.clone(), |field| format!("{field} {text}"))
    }

    #[test]
    fn problems_say_what_the_value_was_and_what_it_may_be() {
        for (json, expected) in [
            (
                r#"{"maxIterations":0}"#,
                "was 0; expected an integer from 1 to 4294967295",
            ),
            (
                r#"{"count":-1}"#,
                "was -1; expected an integer from 0 to 4294967295",
            ),
            (
                r#"{"count":1.5}"#,
                "was 1.5; expected an integer from 0 to 4294967295",
            ),
            (
                r#"{"count":"three"}"#,
                "was \"three\"; expected an integer from 0 to 4294967295",
            ),
            (
                r#"{"count":null}"#,
                "was null; expected an integer from 0 to 4294967295",
            ),
            (
                r#"{"priority":"urgent"}"#,
                "was \"urgent\"; expected critical, high, medium, low",
            ),
            (r#"{"flag":"yes"}"#, "was \"yes\"; expected true or false"),
            (r#"{"text":7}"#, "was 7; expected a string"),
            (r#"{"text":{}}"#, "was an object; expected a string"),
            (r#"{"list":"x"}"#, "was \"x\"; expected an array"),
            (
                r#"{"at":"yesterday"}"#,
                &format!("is not a time; expected {RFC_3339}, or for a day {DAY}"),
            ),
            (
                r#"{"at":"2026-02-30T00:00:00Z"}"#,
                &format!("is not a time; expected {RFC_3339}, or for a day {DAY}"),
            ),
            (r#"{"at":5}"#, &format!("was 5; expected {RFC_3339}")),
            (r#"{"id":5}"#, "was 5; expected a UUID"),
            (r#"{"flag":true,"flag":true}"#, "flag is given twice"),
        ] {
            assert_eq!(text_of(json), expected, "{json}");
        }
        let unknown = text_of(r#"{"colour":1}"#);
        assert!(
            unknown.starts_with("colour is unknown; expected count, "),
            "{unknown}"
        );
        for json in [r#"{"id":"x"}"#, r#"{"repo":"x"}"#] {
            let text = text_of(json);
            assert!(text.contains("\"x\"") && text.contains("; expected "), "{text}");
        }
    }

    #[test]
    fn a_long_value_is_quoted_in_part() {
        let text = text_of(&format!(r#"{{"count":"{}"}}"#, "x".repeat(10_000)));
        assert!(text.len() < 200, "{text}");
    }
}
