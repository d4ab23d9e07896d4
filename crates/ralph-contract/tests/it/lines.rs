//! What a line of standard output is taken for.

use proptest::prelude::*;
use ralph_contract::{Event, Failed, Line, Tool, ToolKind, Warning, WarningKind, parse_line, to_line};

/// What a build of Ralph reports that knows nothing of contents.
fn tool(kind: ToolKind, path: Option<&str>) -> Tool {
    Tool {
        kind,
        path: path.map(str::to_owned),
        digest: None,
        id: None,
        name: None,
        input: None,
        truncated_bytes: 0,
        parent_tool_id: None,
    }
}

#[test]
fn an_event_of_an_unknown_kind_is_kept_whole() {
    let raw = r#"{"event":"coffee_break","minutes":5}"#;
    assert_eq!(
        parse_line(raw),
        Line::Unknown {
            event: "coffee_break".into(),
            raw: raw.into()
        }
    );
}

#[test]
fn an_event_with_more_fields_than_known_is_that_event() {
    let line = r#"{"event":"tool","type":"read","path":"a.rs","bytes":12}"#;
    assert_eq!(
        parse_line(line),
        Line::Event(Event::Tool(tool(ToolKind::Read, Some("a.rs"))))
    );
    assert_eq!(
        parse_line(r#"{"event":"spec_generation_started","by":"me"}"#),
        Line::Event(Event::SpecGenerationStarted)
    );
}

#[test]
fn the_order_of_fields_and_white_space_around_them_do_not_matter() {
    let line = "  { \"path\" : null , \"type\" : \"bash\" , \"event\" : \"tool\" } \r\n";
    assert_eq!(
        parse_line(line),
        Line::Event(Event::Tool(tool(ToolKind::Bash, None)))
    );
}

#[test]
fn a_known_event_whose_body_does_not_fit_is_a_misfit() {
    for (raw, tag) in [
        (r#"{"event":"tool","type":"teleport"}"#, "tool"),
        (
            r#"{"event":"iteration","n":"one","phase":"running"}"#,
            "iteration",
        ),
        (r#"{"event":"iteration","n":-1,"phase":"running"}"#, "iteration"),
        (r#"{"event":"complete"}"#, "complete"),
        (r#"{"event":"failed","error":null}"#, "failed"),
        // Cut off in the middle.
        (r#"{"event":"tool","type":"wri"#, "tool"),
        (r#"{"event":"#, ""),
    ] {
        let line = parse_line(raw);
        let Line::Misfit {
            event,
            error,
            raw: kept,
        } = &line
        else {
            panic!("{raw} gave {line:?}")
        };
        assert_eq!((event.as_str(), kept.as_str()), (tag, raw));
        assert!(!error.is_empty());
    }
}

#[test]
fn anything_else_is_text() {
    for text in [
        "",
        "hello",
        "{not json",
        "[1,2]",
        "42",
        r#"{"type":"result"}"#,
        r#"{"event":7}"#,
        "  indented",
    ] {
        assert_eq!(parse_line(text), Line::Text(text.into()));
    }
    assert_eq!(parse_line("hello\r\n"), Line::Text("hello".into()));
}

#[test]
fn lone_surrogates_cost_no_event() {
    let line = r#"{"event":"failed","error":"a\ud800b"}"#;
    let error = "a\u{fffd}b".to_owned();
    assert_eq!(parse_line(line), Line::Event(Event::Failed(Failed { error })));
}

#[test]
fn json_nested_deeper_than_any_event_is_text_or_misfit() {
    let deep = "[".repeat(100_000);
    assert!(matches!(parse_line(&deep), Line::Text(_)));
    let event = format!(r#"{{"event":"failed","error":{deep}"#);
    assert!(matches!(parse_line(&event), Line::Misfit { .. }));
}

proptest! {
    #[test]
    fn any_text_is_some_line(text in any::<String>()) {
        parse_line(&text);
    }

    #[test]
    fn any_text_inside_an_event_survives(message in any::<String>(), kind in any::<String>(), file in any::<String>()) {
        let events = [
            Event::Failed(Failed { error: message.clone() }),
            Event::Warning(Warning { kind: WarningKind::from(kind), message, files: vec![file], resets_at: None }),
        ];
        for event in events {
            let line = to_line(&event);
            prop_assert!(!line.contains(['\n', '\r']));
            prop_assert_eq!(parse_line(&line), Line::Event(event));
        }
    }
}
