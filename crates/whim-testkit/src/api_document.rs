//! Checks of responses and events against Whim's OpenAPI document.
//!
//! Stricter than the document itself: a field that the document does not mention is a violation, because clients that
//! are generated from the document do not see it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use jsonschema::Validator;
use regex::Regex;
use serde_json::{Map, Value, json};

/// Longest response that a violation quotes, in characters.
const MAX_QUOTED: usize = 2000;

#[derive(Debug)]
pub struct ApiDocument {
    document: Value,
    operations: Vec<Operation>,
    /// By the pointer to the schema in the document.
    validators: RwLock<HashMap<String, Arc<Validator>>>,
}

#[derive(Debug)]
struct Operation {
    method: String,
    path: Regex,
    /// Pointer to the operation in the document.
    pointer: String,
}

/// A response or an event that the document does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not as documented: {problem}")]
pub struct Violation {
    what: String,
    problem: String,
}

impl ApiDocument {
    /// # Panics
    /// The document is not an OpenAPI document with paths.
    #[expect(clippy::expect_used, reason = "a test whose document is broken has failed")]
    pub fn new(mut document: Value) -> Self {
        let mut operations = Vec::new();
        let paths = document["paths"].as_object().expect("a document has paths");
        for (template, item) in paths {
            let pattern = regex::escape(template).replace("\\{id\\}", "[^/]+");
            let path = Regex::new(&format!("^{pattern}$")).expect("an escaped path is a pattern");
            for method in item.as_object().into_iter().flat_map(Map::keys) {
                operations.push(Operation {
                    method: method.to_uppercase(),
                    path: path.clone(),
                    pointer: format!(
                        "/paths/{}/{method}",
                        template.replace('~', "~0").replace('/', "~1")
                    ),
                });
            }
        }
        refuse_undocumented_fields(&mut document);
        Self {
            document,
            operations,
            validators: RwLock::default(),
        }
    }

    /// Checks a response. Requests that no operation describes are not judged, except that they must be refused with
    /// the documented error body.
    ///
    /// # Errors
    /// The status, the content type or the body is not documented.
    pub fn check_response(
        &self,
        method: &str,
        path: &str,
        status: u16,
        content_type: &str,
        body: &[u8],
    ) -> Result<(), Violation> {
        let what = format!("{method} {path} ({status})");
        let violation = |problem: String| Violation {
            what: what.clone(),
            problem,
        };
        let path = path.split('?').next().unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let Some(operation) = self.operation(method, path) else {
            return if status >= 400 && !body.is_empty() {
                let schema = json!({ "$ref": "#/components/schemas/ErrorBody" });
                self.check("/components/schemas/ErrorBody", &schema, body)
                    .map_err(violation)
            } else {
                Ok(())
            };
        };
        let mut pointer = format!("{}/responses/{status}", operation.pointer);
        let response = self.document.pointer(&pointer);
        let response = response.ok_or_else(|| violation("the status is not documented".to_owned()))?;
        if let Some(reference) = response["$ref"].as_str() {
            reference.trim_start_matches('#').clone_into(&mut pointer);
        }
        let content = self
            .document
            .pointer(&pointer)
            .map(|response| &response["content"]);
        let Some(content) = content.and_then(Value::as_object) else {
            return if body.is_empty() {
                Ok(())
            } else {
                Err(violation("a body is not documented".to_owned()))
            };
        };
        let media = content.get(essence);
        let media = media.ok_or_else(|| violation(format!("content type {essence:?} is not documented")))?;
        // A response to HEAD has no body; streams are checked event by event.
        if essence != "application/json" || method == "HEAD" {
            return Ok(());
        }
        let key = format!("{pointer}/{essence}");
        self.check(&key, &media["schema"], body).map_err(violation)
    }

    /// Checks the `data` of a server-sent event.
    ///
    /// # Errors
    /// It is no documented event.
    pub fn check_event(&self, data: &str) -> Result<(), Violation> {
        let pointer = "/paths/~1api~1events/get/responses/200/content/text~1event-stream/schema";
        let schema = self.document.pointer(pointer).unwrap_or(&Value::Bool(false));
        self.check(pointer, schema, data.as_bytes())
            .map_err(|problem| Violation {
                what: "a server-sent event".to_owned(),
                problem,
            })
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Operation> {
        let method = if method == "HEAD" { "GET" } else { method };
        self.operations
            .iter()
            .find(|operation| operation.method == method && operation.path.is_match(path))
    }

    fn check(&self, key: &str, schema: &Value, body: &[u8]) -> Result<(), String> {
        let body: Value = serde_json::from_slice(body).map_err(|error| format!("it is not JSON: {error}"))?;
        let validator = self.validator(key, schema)?;
        let problems: Vec<String> = validator
            .iter_errors(&body)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        if problems.is_empty() {
            return Ok(());
        }
        let quoted: String = format!("{body:#}").chars().take(MAX_QUOTED).collect();
        Err(format!("{}\n{quoted}", problems.join("\n")))
    }

    fn validator(&self, key: &str, schema: &Value) -> Result<Arc<Validator>, String> {
        let mut validators = self.validators.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(validator) = validators.get(key) {
            return Ok(Arc::clone(validator));
        }
        let rooted = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [schema],
            "unevaluatedProperties": false,
            "components": self.document["components"],
        });
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&rooted)
            .map_err(|error| format!("the schema cannot be used: {error}"))?;
        let validator = Arc::new(validator);
        validators.insert(key.to_owned(), Arc::clone(&validator));
        Ok(validator)
    }
}

/// Closes every schema at the place where a value is described by it: properties and items. Parts of a combined schema
/// stay open, because the other parts describe further fields.
fn refuse_undocumented_fields(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(refuse_undocumented_fields),
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get_mut("properties") {
                properties.values_mut().for_each(close);
            }
            if let Some(items) = fields.get_mut("items") {
                close(items);
            }
            fields.values_mut().for_each(refuse_undocumented_fields);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn close(schema: &mut Value) {
    if let Value::Object(fields) = schema {
        let combined = ["$ref", "allOf", "oneOf", "properties"]
            .iter()
            .any(|name| fields.contains_key(*name));
        if combined {
            fields
                .entry("unevaluatedProperties")
                .or_insert(Value::Bool(false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> ApiDocument {
        ApiDocument::new(json!({
            "paths": {
                "/things/{id}": { "get": { "responses": {
                    "200": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Thing" } } } },
                    "404": { "$ref": "#/components/responses/NotFound" },
                } } },
                "/api/events": { "get": { "responses": { "200": { "content": {
                    "text/event-stream": { "schema": { "$ref": "#/components/schemas/Thing" } },
                } } } } },
            },
            "components": {
                "responses": { "NotFound": { "content": {
                    "application/json": { "schema": { "$ref": "#/components/schemas/ErrorBody" } },
                } } },
                "schemas": {
                    "Thing": { "allOf": [
                        { "$ref": "#/components/schemas/Part" },
                        { "type": "object", "required": ["id"], "properties": { "id": { "type": "string" } } },
                    ] },
                    "Part": { "type": "object", "properties": {
                        "headSha": { "type": "string" },
                        "inner": { "$ref": "#/components/schemas/ErrorBody" },
                    } },
                    "ErrorBody": { "type": "object", "required": ["error"], "properties": { "error": { "type": "string" } } },
                },
            },
        }))
    }

    fn problem_of(path: &str, status: u16, content_type: &str, body: &Value) -> Option<String> {
        let body = body.to_string();
        let checked = document().check_response("GET", path, status, content_type, body.as_bytes());
        checked.err().map(|violation| violation.problem)
    }

    #[test]
    fn a_documented_response_has_no_problem() {
        let thing = json!({ "id": "1", "headSha": "2", "inner": { "error": "x" } });
        assert_eq!(
            problem_of("/things/1?a=b", 200, "application/json; charset=utf-8", &thing),
            None
        );
        assert_eq!(
            problem_of("/things/1", 404, "application/json", &json!({ "error": "x" })),
            None
        );
        assert_eq!(
            problem_of("/nowhere", 404, "application/json", &json!({ "error": "x" })),
            None
        );
        assert_eq!(document().check_event(&thing.to_string()), Ok(()));
    }

    #[test]
    fn what_the_document_does_not_say_is_a_problem() {
        let json = "application/json";
        for (path, status, content_type, body) in [
            ("/things/1", 200, json, json!({ "headSha": "2" })),
            ("/things/1", 200, json, json!({ "id": "1", "head_sha": "2" })),
            (
                "/things/1",
                200,
                json,
                json!({ "id": "1", "inner": { "error": "x", "more": 1 } }),
            ),
            ("/things/1", 201, json, json!({ "id": "1" })),
            ("/things/1", 200, "text/plain", json!({ "id": "1" })),
            ("/nowhere", 404, json, json!({ "message": "x" })),
        ] {
            let problem = problem_of(path, status, content_type, &body);
            assert!(problem.is_some(), "{path} {status} {content_type} {body}");
        }
        let event = json!({ "id": "1", "cost_usd": 1 });
        assert!(document().check_event(&event.to_string()).is_err());
    }
}
