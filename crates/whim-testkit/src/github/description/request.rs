//! Requests held against the description.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use super::document::{self, Schema};

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum Problem {
    #[error("path parameter: {0}")]
    Path(String),
    #[error("query parameter: {0}")]
    Query(String),
    /// GitHub ignores it without a word, which hides the mistake.
    #[error("the operation has no query parameter `{0}`")]
    UnknownQuery(String),
    #[error("the body is not JSON")]
    NotJson,
    #[error("body: {0}")]
    Body(String),
    /// GitHub ignores it without a word, which hides the mistake.
    #[error("the operation has no body field `{0}`")]
    UnknownField(String),
}

/// A parameter as the description has it.
pub(super) struct Parameter {
    pub(super) name: String,
    /// A path parameter that may hold slashes, such as a branch.
    pub(super) spans_segments: bool,
    place: String,
    is_required: bool,
    schema: String,
}

/// The parameters of an operation, wherever they stand.
pub(super) fn load_parameters(operation: &Value, pointer: &str) -> Vec<Parameter> {
    let count = operation
        .get("parameters")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    (0..count)
        .filter_map(|index| {
            let pointer = document::resolve(&format!("{pointer}/parameters/{index}"));
            let parameter = document::at(&pointer);
            let is_true = |key: &str| parameter.get(key).and_then(Value::as_bool).unwrap_or(false);
            Some(Parameter {
                name: parameter.get("name")?.as_str()?.to_owned(),
                spans_segments: is_true("x-multi-segment"),
                place: parameter.get("in")?.as_str()?.to_owned(),
                is_required: is_true("required"),
                schema: document::resolve(&format!("{pointer}/schema")),
            })
        })
        .collect()
}

/// The parameters in one place, as one schema of an object.
pub(super) struct Parameters {
    /// Names with the pointers of their schemas.
    known: HashMap<String, String>,
    is_query: bool,
    schema: Schema,
}

impl Parameters {
    pub(super) fn load(place: &str, parameters: &[Parameter]) -> Self {
        let here = || parameters.iter().filter(|parameter| parameter.place == place);
        let properties: Map<String, Value> = here()
            .map(|parameter| (parameter.name.clone(), document::reference(&parameter.schema)))
            .collect();
        let required: Vec<&str> = here()
            .filter(|it| it.is_required)
            .map(|parameter| parameter.name.as_str())
            .collect();
        let mut schema = json!({ "type": "object", "properties": properties });
        // Draft 4 allows no empty list here.
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        Self {
            known: here().map(|it| (it.name.clone(), it.schema.clone())).collect(),
            is_query: place == "query",
            schema: Schema::new(schema),
        }
    }

    pub(super) fn problems(&self, pairs: Vec<(String, String)>) -> Vec<Problem> {
        let mut values = Map::new();
        let mut unknown = Vec::new();
        for (name, value) in pairs {
            match self.known.get(&name) {
                Some(schema) => {
                    let value = typed(value, document::at(schema));
                    values.insert(name, value);
                }
                None => unknown.push(Problem::UnknownQuery(name)),
            }
        }
        let wrap = if self.is_query {
            Problem::Query
        } else {
            Problem::Path
        };
        let mut problems: Vec<Problem> = self
            .schema
            .problems(&Value::Object(values))
            .into_iter()
            .map(wrap)
            .collect();
        problems.extend(unknown);
        problems
    }
}

/// Reads a parameter's text as the type that its schema names.
fn typed(text: String, schema: &Value) -> Value {
    let read = match schema.get("type").and_then(Value::as_str) {
        Some("integer") => text.parse::<i64>().ok().map(Value::from),
        Some("number") => text.parse::<f64>().ok().map(Value::from),
        Some("boolean") => text.parse::<bool>().ok().map(Value::from),
        Some(_) | None => None,
    };
    read.unwrap_or(Value::String(text))
}

/// The body of an operation that takes one.
pub(super) struct Body {
    is_required: bool,
    fields: BTreeSet<String>,
    schema: Schema,
}

impl Body {
    pub(super) fn load(operation: &Value, pointer: &str) -> Option<Self> {
        let body = operation.get("requestBody")?;
        let schema = format!("{pointer}/requestBody/content/application~1json/schema");
        let mut fields = BTreeSet::new();
        collect_fields(&schema, &mut fields);
        Some(Self {
            is_required: body.get("required").and_then(Value::as_bool).unwrap_or(false),
            fields,
            schema: Schema::new(document::reference(&schema)),
        })
    }

    pub(super) fn problems(&self, body: &[u8]) -> Vec<Problem> {
        if body.is_empty() {
            let missing = Problem::Body("is missing".to_owned());
            return self.is_required.then_some(missing).into_iter().collect();
        }
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return vec![Problem::NotJson];
        };
        let mut problems: Vec<Problem> = self
            .schema
            .problems(&value)
            .into_iter()
            .map(Problem::Body)
            .collect();
        let names = value.as_object().into_iter().flat_map(Map::keys);
        let unknown = names.filter(|name| !self.fields.contains(*name));
        problems.extend(unknown.cloned().map(Problem::UnknownField));
        problems
    }
}

/// The names of all fields that a body may have, in whatever variant.
fn collect_fields(pointer: &str, fields: &mut BTreeSet<String>) {
    let pointer = document::resolve(pointer);
    let schema = document::at(&pointer);
    fields.extend(
        schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::keys)
            .cloned(),
    );
    for combination in ["oneOf", "anyOf", "allOf"] {
        let variants = schema
            .get(combination)
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        (0..variants).for_each(|index| collect_fields(&format!("{pointer}/{combination}/{index}"), fields));
    }
}
