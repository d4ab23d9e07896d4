//! An OpenAPI document, prepared for a JSON Schema validator.
#![expect(
    clippy::expect_used,
    reason = "documents are part of the source tree, and tests compile every schema in them"
)]

use std::sync::OnceLock;

use jsonschema::{Draft, Registry, Validator};
use serde_json::{Value, json};

use super::closed::close_schemas;

/// The URI under which schemas refer to their document. Each document has a registry of its own.
const URI: &str = "https://description.test/openapi";

pub(crate) struct Document {
    value: Value,
    draft: Draft,
    registry: Registry<'static>,
    unknown_fields: UnknownFields,
}

/// What values may have besides the fields of their schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnknownFields {
    /// Whatever the schema allows. JSON Schema allows every field by default.
    AsDocumented,
    /// Nothing. This needs OpenAPI 3.1.
    Refused,
}

impl Document {
    /// Prepares an OpenAPI 3.0 or 3.1 document.
    ///
    /// # Panics
    /// A `$ref` in it leads nowhere.
    pub(crate) fn new(mut value: Value, unknown_fields: UnknownFields) -> Self {
        let is_3_0 = value["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.0."));
        // OpenAPI 3.1 uses the current JSON Schema; 3.0 has a dialect of its own, which resembles draft 4.
        let draft = if is_3_0 {
            allow_nulls(&mut value);
            Draft::Draft4
        } else {
            Draft::Draft202012
        };
        if unknown_fields == UnknownFields::Refused {
            close_schemas(&mut value);
        }
        let registry = Registry::new()
            .draft(draft)
            .add(URI, value.clone())
            .and_then(|registry| registry.prepare())
            .expect("every $ref of the document resolves");
        Self {
            value,
            draft,
            registry,
            unknown_fields,
        }
    }

    /// The value at a JSON pointer; null if there is none.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.value.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// Follows a `$ref` at this pointer.
    pub(crate) fn resolve(&self, pointer: &str) -> String {
        match self.at(pointer).get("$ref").and_then(Value::as_str) {
            Some(reference) => self.resolve(reference.trim_start_matches('#')),
            None => pointer.to_owned(),
        }
    }

    /// The schema at a pointer.
    pub(crate) fn schema(&self, pointer: &str) -> Schema {
        let schema = reference(pointer);
        Schema::new(match self.unknown_fields {
            UnknownFields::AsDocumented => schema,
            UnknownFields::Refused => json!({ "allOf": [schema], "unevaluatedProperties": false }),
        })
    }
}

/// Escapes a key for a JSON pointer.
pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A schema that refers to a part of the document.
pub(crate) fn reference(pointer: &str) -> Value {
    // Paths of an API contain braces, which are not valid in a fragment.
    let fragment = pointer.replace('{', "%7B").replace('}', "%7D");
    json!({ "$ref": format!("{URI}#{fragment}") })
}

/// A schema that is compiled on first use.
pub(crate) struct Schema {
    source: Value,
    compiled: OnceLock<Validator>,
}

impl Schema {
    pub(crate) fn new(source: Value) -> Self {
        Self {
            source,
            compiled: OnceLock::new(),
        }
    }

    /// One sentence per problem, with its location. References resolve in `document`.
    pub(crate) fn problems(&self, document: &Document, value: &Value) -> Vec<String> {
        self.validator(document)
            .iter_errors(value)
            .map(|error| format!("{} at `{}`", error.masked(), error.instance_path()))
            .collect()
    }

    pub(crate) fn validator(&self, document: &Document) -> &Validator {
        self.compiled.get_or_init(|| {
            jsonschema::options()
                .with_draft(document.draft)
                .with_registry(&document.registry)
                .should_validate_formats(true)
                .should_ignore_unknown_formats(true)
                .build(&self.source)
                .expect("every schema of the document compiles")
        })
    }
}

/// OpenAPI 3.0 has `nullable` where JSON Schema lists null among the types and values.
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
