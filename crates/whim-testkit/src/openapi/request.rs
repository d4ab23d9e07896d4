//! Checks requests against a document.

use std::collections::{BTreeSet, HashMap};

use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

use super::document::{Document, Schema, reference};

/// A defect of a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("path parameter: {0}")]
    Path(String),
    #[error("query parameter: {0}")]
    Query(String),
    #[error("header: {0}")]
    Header(String),
    #[error("the operation has no query parameter `{0}`")]
    UnknownQuery(String),
    #[error("the body is not JSON")]
    NotJson,
    #[error("body: {0}")]
    Body(String),
    #[error("the operation has no body field `{0}`")]
    UnknownField(String),
}

/// A parameter as the document describes it.
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// A path parameter that may contain slashes, such as a branch.
    pub(crate) spans_segments: bool,
    location: String,
    is_required: bool,
    schema: String,
}

/// The parameters of an operation in all locations.
pub(crate) fn load_parameters(document: &Document, operation: &Value, pointer: &str) -> Vec<Parameter> {
    let count = operation
        .get("parameters")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    (0..count)
        .filter_map(|index| {
            let pointer = document.resolve(&format!("{pointer}/parameters/{index}"));
            let parameter = document.at(&pointer);
            let is_true = |key: &str| parameter.get(key).and_then(Value::as_bool).unwrap_or(false);
            Some(Parameter {
                name: parameter.get("name")?.as_str()?.to_owned(),
                spans_segments: is_true("x-multi-segment"),
                location: parameter.get("in")?.as_str()?.to_owned(),
                is_required: is_true("required"),
                schema: document.resolve(&format!("{pointer}/schema")),
            })
        })
        .collect()
}

/// The parameters in one location, as one schema of an object.
pub(crate) struct Parameters {
    /// Names with the pointers of their schemas.
    schemas: HashMap<String, String>,
    to_problem: fn(String) -> Problem,
    schema: Schema,
}

impl Parameters {
    pub(crate) fn of_path(parameters: &[Parameter]) -> Self {
        Self::load("path", parameters, Problem::Path)
    }

    pub(crate) fn of_query(parameters: &[Parameter]) -> Self {
        Self::load("query", parameters, Problem::Query)
    }

    pub(crate) fn of_headers(parameters: &[Parameter]) -> Self {
        Self::load("header", parameters, Problem::Header)
    }

    fn load(location: &str, parameters: &[Parameter], to_problem: fn(String) -> Problem) -> Self {
        let here = || {
            parameters
                .iter()
                .filter(|parameter| parameter.location == location)
        };
        let properties: Map<String, Value> = here()
            .map(|parameter| (parameter.name.clone(), reference(&parameter.schema)))
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
            schemas: here().map(|it| (it.name.clone(), it.schema.clone())).collect(),
            to_problem,
            schema: Schema::new(schema),
        }
    }

    pub(crate) fn problems(&self, document: &Document, pairs: Vec<(String, String)>) -> Vec<Problem> {
        let mut values = Map::new();
        let mut unknown = Vec::new();
        for (name, value) in pairs {
            match self.schemas.get(&name) {
                Some(schema) => {
                    let value = typed(value, document.at(schema));
                    values.insert(name, value);
                }
                None => unknown.push(Problem::UnknownQuery(name)),
            }
        }
        let problems = self.schema.problems(document, &Value::Object(values));
        let mut problems: Vec<Problem> = problems.into_iter().map(self.to_problem).collect();
        problems.extend(unknown);
        problems
    }

    /// Headers that the document does not name are allowed.
    pub(crate) fn problems_of_headers(&self, document: &Document, headers: &HeaderMap) -> Vec<Problem> {
        let value = |name: &String| Some((name.clone(), headers.get(name)?.to_str().ok()?.to_owned()));
        self.problems(document, self.schemas.keys().filter_map(value).collect())
    }
}

/// Parses a parameter's text as the type that its schema names.
fn typed(text: String, schema: &Value) -> Value {
    let parsed = match schema.get("type").and_then(Value::as_str) {
        Some("integer") => text.parse::<i64>().ok().map(Value::from),
        Some("number") => text.parse::<f64>().ok().map(Value::from),
        Some("boolean") => text.parse::<bool>().ok().map(Value::from),
        Some(_) | None => None,
    };
    parsed.unwrap_or(Value::String(text))
}

/// The request body of an operation.
pub(crate) struct Body {
    is_required: bool,
    fields: BTreeSet<String>,
    schema: Schema,
}

impl Body {
    pub(crate) fn load(document: &Document, operation: &Value, pointer: &str) -> Option<Self> {
        let body = operation.get("requestBody")?;
        let schema = format!("{pointer}/requestBody/content/application~1json/schema");
        let mut fields = BTreeSet::new();
        collect_fields(document, &schema, &mut fields);
        Some(Self {
            is_required: body.get("required").and_then(Value::as_bool).unwrap_or(false),
            fields,
            schema: document.schema(&schema),
        })
    }

    pub(crate) fn problems(&self, document: &Document, body: &[u8]) -> Vec<Problem> {
        if body.is_empty() {
            let missing = Problem::Body("is missing".to_owned());
            return self.is_required.then_some(missing).into_iter().collect();
        }
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return vec![Problem::NotJson];
        };
        let problems = self.schema.problems(document, &value);
        let mut problems: Vec<Problem> = problems.into_iter().map(Problem::Body).collect();
        let names = value.as_object().into_iter().flat_map(Map::keys);
        let unknown = names.filter(|name| !self.fields.contains(*name));
        problems.extend(unknown.cloned().map(Problem::UnknownField));
        problems
    }
}

/// The names of all fields that a body may have, in any variant.
fn collect_fields(document: &Document, pointer: &str, fields: &mut BTreeSet<String>) {
    let pointer = document.resolve(pointer);
    let schema = document.at(&pointer);
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
        for index in 0..variants {
            collect_fields(document, &format!("{pointer}/{combination}/{index}"), fields);
        }
    }
}
