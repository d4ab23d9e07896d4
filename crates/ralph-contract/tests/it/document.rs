//! `SPEC-ralph.md` and the types of this crate agree.

use std::collections::{BTreeMap, BTreeSet};

use ralph_contract::{Event, ExitCode, Line, SpecDocument, WarningKind, parse_line, to_line};
use serde_json::Value;

use crate::events::one_of_each;

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../SPEC-ralph.md"));

/// What the document says about one event.
#[derive(Debug, Default)]
struct Documented {
    /// Whether each field is required, by its dotted path.
    fields: BTreeMap<String, bool>,
    examples: Vec<&'static str>,
    /// Everything in inline code.
    code: BTreeSet<&'static str>,
}

fn documented() -> BTreeMap<&'static str, Documented> {
    let mut events: BTreeMap<&str, Documented> = BTreeMap::new();
    let mut name = "";
    for line in DOCUMENT.lines() {
        if line.starts_with('#') {
            name = line
                .strip_prefix("### `")
                .map_or("", |rest| rest.trim_end_matches('`'));
            if !name.is_empty() {
                events.insert(name, Documented::default());
            }
        }
        let Some(event) = events.get_mut(name) else {
            continue;
        };
        if line.starts_with('{') {
            event.examples.push(line);
            continue;
        }
        event.code.extend(line.split('`').skip(1).step_by(2));
        if let Some(row) = line.strip_prefix("| `") {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let is_required = match cells[2] {
                "yes" => true,
                "no" => false,
                other => panic!("`{other}` is neither yes nor no: {line}"),
            };
            event
                .fields
                .insert(cells[0].trim_end_matches('`').to_owned(), is_required);
        }
    }
    events
}

/// Every field of an event by its dotted path, without the tag. The input of a tool call is free-form.
fn paths(value: &Value, prefix: &str) -> BTreeSet<String> {
    if let Value::Array(values) = value {
        return values.iter().flat_map(|value| paths(value, prefix)).collect();
    }
    let Value::Object(fields) = value else {
        return BTreeSet::new();
    };
    let fields = fields
        .iter()
        .filter(|(name, _)| !(prefix.is_empty() && *name == "event"));
    fields
        .flat_map(|(name, value)| {
            let path = format!("{prefix}{name}");
            let mut below = match name.as_str() {
                "input" => BTreeSet::new(),
                _ => paths(value, &format!("{path}.")),
            };
            below.insert(path);
            below
        })
        .collect()
}

/// The value without the field of a dotted path, in every element of a list on the way.
fn without(value: &Value, path: &str) -> Value {
    let mut value = value.clone();
    remove(&mut value, path);
    value
}

fn remove(value: &mut Value, path: &str) {
    match (value, path.split_once('.')) {
        (Value::Array(values), _) => values.iter_mut().for_each(|value| remove(value, path)),
        (Value::Object(fields), Some((name, below))) => remove(&mut fields[name], below),
        (Value::Object(fields), None) => drop(fields.remove(path)),
        (other, _) => panic!("{path} of {other}"),
    }
}

#[test]
fn every_event_and_every_field_is_documented_and_no_other() {
    let mut fields: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for event in one_of_each() {
        let value = serde_json::to_value(&event).unwrap();
        fields.entry(event.name()).or_default().extend(paths(&value, ""));
    }
    let documented: BTreeMap<&str, BTreeSet<String>> = documented()
        .into_iter()
        .map(|(name, event)| (name, event.fields.into_keys().collect()))
        .collect();
    assert_eq!(documented, fields);
    let names: BTreeSet<&str> = Event::NAMES.into_iter().collect();
    assert_eq!(documented.into_keys().collect::<BTreeSet<_>>(), names);
}

#[test]
fn every_example_line_is_read_as_its_event_and_written_back_byte_for_byte() {
    for (name, documented) in documented() {
        assert!(!documented.examples.is_empty(), "{name} has no example");
        for example in documented.examples {
            let Line::Event(event) = parse_line(example) else {
                panic!("not an event: {example}");
            };
            assert_eq!(event.name(), name);
            assert_eq!(to_line(&event), example);
        }
    }
}

#[test]
fn the_first_example_of_each_event_has_every_field_and_only_optional_ones_may_be_missing() {
    for (name, documented) in documented() {
        let example: Value = serde_json::from_str(documented.examples[0]).unwrap();
        let fields: BTreeSet<String> = documented.fields.keys().cloned().collect();
        assert_eq!(paths(&example, ""), fields, "{name}");
        for (field, is_required) in documented.fields {
            let line = parse_line(&without(&example, &field).to_string());
            assert_eq!(
                matches!(line, Line::Misfit { .. }),
                is_required,
                "{name}.{field}: {line:?}"
            );
        }
    }
}

#[test]
fn every_value_of_an_enumeration_is_documented() {
    let documented = documented();
    for kind in &WarningKind::KNOWN {
        assert!(
            documented["warning"].code.contains(kind.as_str()),
            "{}",
            kind.as_str()
        );
    }
    for (event, field) in [("iteration", "phase"), ("message", "role"), ("tool", "type")] {
        let values = one_of_each().into_iter().filter(|one| one.name() == event);
        for value in values.map(|one| serde_json::to_value(&one).unwrap()) {
            let value = value[field].as_str().unwrap();
            assert!(documented[event].code.contains(value), "{event}.{field}: {value}");
        }
    }
}

#[test]
fn every_exit_code_is_documented_and_no_other() {
    let (_, section) = DOCUMENT.split_once("\n## Exit codes\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let codes: Vec<i32> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(' ')?.0.parse().ok())
        .collect();
    let all: Vec<i32> = (-1..300)
        .filter(|&code| ExitCode::try_from(code).is_ok())
        .collect();
    assert_eq!(codes, all);
}

#[test]
fn the_document_is_a_valid_checklist() {
    let document = SpecDocument::parse(DOCUMENT);
    assert_eq!(document.violations(), []);
    assert!(!document.tasks().is_empty());
}
