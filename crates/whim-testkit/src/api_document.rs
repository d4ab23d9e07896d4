//! Checks responses and events of the real orchestrator against its OpenAPI document.
//!
//! Stricter than the document itself: a field that the document does not mention is a violation, because clients that
//! are generated from the document do not see it.

use axum::http::Method;
use serde_json::Value;

use crate::openapi::{JSON, OpenApi, Operation, Schema, UnknownFields};

/// Longest response that a violation quotes, in characters.
const MAX_QUOTED: usize = 2000;

pub struct ApiDocument {
    api: OpenApi,
    /// The body of every refusal.
    error_body: Schema,
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
    /// The document is not an OpenAPI document.
    pub fn new(document: Value) -> Self {
        let api = OpenApi::new(document, UnknownFields::Refused);
        let error_body = api.schema("/components/schemas/ErrorBody");
        Self { api, error_body }
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
                self.check(&self.error_body, body).map_err(violation)
            } else {
                Ok(())
            };
        };
        let response = operation.response(status);
        let response = response.ok_or_else(|| violation("the status is not documented".to_owned()))?;
        if !response.has_body() {
            return if body.is_empty() {
                Ok(())
            } else {
                Err(violation("a body is not documented".to_owned()))
            };
        }
        if !response.has_media_type(essence) {
            return Err(violation(format!("content type {essence:?} is not documented")));
        }
        // A response to HEAD has no body; streams are checked event by event.
        if essence != JSON || method == "HEAD" {
            return Ok(());
        }
        let schema = response.schema(essence);
        let schema = schema.ok_or_else(|| violation("the body has no schema".to_owned()))?;
        self.check(schema, body).map_err(violation)
    }

    /// Checks the `data` of a server-sent event.
    ///
    /// # Errors
    /// It is no documented event.
    pub fn check_event(&self, data: &str) -> Result<(), Violation> {
        let violation = |problem| Violation {
            what: "a server-sent event".to_owned(),
            problem,
        };
        let response = self
            .operation("GET", "/api/events")
            .and_then(|operation| operation.response(200));
        let schema = response.and_then(|response| response.schema("text/event-stream"));
        let schema = schema.ok_or_else(|| violation("events are not documented".to_owned()))?;
        self.check(schema, data.as_bytes()).map_err(violation)
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Operation> {
        let method = if method == "HEAD" { "GET" } else { method };
        self.api
            .operation(&Method::from_bytes(method.as_bytes()).ok()?, path)
    }

    fn check(&self, schema: &Schema, body: &[u8]) -> Result<(), String> {
        let body: Value = serde_json::from_slice(body).map_err(|error| format!("it is not JSON: {error}"))?;
        let problems = self.api.problems_of_value(schema, &body);
        if problems.is_empty() {
            return Ok(());
        }
        let quoted: String = format!("{body:#}").chars().take(MAX_QUOTED).collect();
        Err(format!("{}\n{quoted}", problems.join("\n")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> ApiDocument {
        ApiDocument::new(json!({
            "openapi": "3.1.0",
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
    fn every_schema_of_the_orchestrators_document_compiles_when_closed() {
        let document = serde_json::from_str(include_str!("../../../openapi.json")).unwrap();
        ApiDocument::new(document).api.compile_all();
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
