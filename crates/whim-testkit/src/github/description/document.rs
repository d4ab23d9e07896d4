//! The document itself, prepared for a validator of JSON Schema draft 4.
#![expect(
    clippy::expect_used,
    reason = "the document is part of this crate, and a test compiles every schema in it"
)]

use std::sync::{LazyLock, OnceLock};

use jsonschema::{Draft, Registry, Validator};
use serde_json::{Value, json};

/// The name under which schemas refer to the document.
const ADDRESS: &str = "https://description.test/github";

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../data/github-openapi.json");
    let mut document = serde_json::from_str(text).expect("the description is JSON");
    allow_nulls(&mut document);
    document
});

static REGISTRY: LazyLock<Registry<'static>> = LazyLock::new(|| {
    Registry::new()
        .draft(Draft::Draft4)
        .add(ADDRESS, &*DOCUMENT)
        .and_then(|registry| registry.prepare())
        .expect("the description's references are whole")
});

/// A part of the document, by JSON pointer; null where there is none.
pub(super) fn at(pointer: &str) -> &'static Value {
    DOCUMENT.pointer(pointer).unwrap_or(&Value::Null)
}

/// Escapes a key for a JSON pointer.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Follows a `$ref`, where the value at this pointer is one.
pub(super) fn resolve(pointer: &str) -> String {
    match at(pointer).get("$ref").and_then(Value::as_str) {
        Some(reference) => resolve(reference.trim_start_matches('#')),
        None => pointer.to_owned(),
    }
}

/// A schema that refers to a part of the document.
pub(super) fn reference(pointer: &str) -> Value {
    // Paths of the API hold braces, and a fragment must not.
    let fragment = pointer.replace('{', "%7B").replace('}', "%7D");
    json!({ "$ref": format!("{ADDRESS}#{fragment}") })
}

/// A schema that is compiled when it is first needed.
pub(super) struct Schema {
    source: Value,
    compiled: OnceLock<Validator>,
}

impl Schema {
    pub(super) fn new(source: Value) -> Self {
        Self {
            source,
            compiled: OnceLock::new(),
        }
    }

    /// What is wrong with a value, one sentence each, with the place.
    pub(super) fn problems(&self, value: &Value) -> Vec<String> {
        self.validator()
            .iter_errors(value)
            .map(|error| format!("{} at `{}`", error.masked(), error.instance_path()))
            .collect()
    }

    pub(super) fn validator(&self) -> &Validator {
        self.compiled.get_or_init(|| {
            jsonschema::options()
                .with_draft(Draft::Draft4)
                .with_registry(&REGISTRY)
                .should_validate_formats(true)
                .should_ignore_unknown_formats(true)
                .build(&self.source)
                .expect("the description's schemas compile")
        })
    }
}

/// OpenAPI 3.0 writes `nullable` where JSON Schema lists null among the types and values.
fn allow_nulls(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(allow_nulls),
        Value::Object(schema) => {
            schema.values_mut().for_each(allow_nulls);
            if schema.get("nullable") != Some(&Value::Bool(true)) {
                return;
            }
            if let Some(kind) = schema.get_mut("type").filter(|kind| kind.is_string()) {
                *kind = json!([kind.take(), "null"]);
            }
            if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
                values.push(Value::Null);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
