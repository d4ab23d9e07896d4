//! OpenAPI documents: the fakes check every request and every response against one, and `api_document` those of the
//! real orchestrator.
//!
//! Schemas are compiled when an operation first needs them, and kept for the rest of the process.

mod closed;
mod document;
mod request;
mod response;

use axum::http::{HeaderMap, Method};
use regex::Regex;
use serde_json::Value;

use self::document::{Document, escape};
pub(crate) use self::document::{Schema, UnknownFields};
pub(crate) use self::request::Problem;
use self::request::{Body, Parameters, load_parameters};
use self::response::Responses;
pub(crate) use self::response::{JSON, Response};
use crate::path_template;

/// The operations of a document.
pub(crate) struct OpenApi {
    document: Document,
    operations: Vec<Operation>,
}

/// A method on a path.
pub(crate) struct Operation {
    /// The `operationId`, such as `issues/add-labels`; method and path if there is none.
    pub(crate) id: String,
    pub(crate) method: Method,
    path: Regex,
    path_parameters: Parameters,
    query_parameters: Parameters,
    headers: Parameters,
    body: Option<Body>,
    responses: Responses,
}

impl OpenApi {
    /// Parses an OpenAPI 3.0 or 3.1 document.
    ///
    /// # Panics
    /// The text is not such a document.
    #[expect(clippy::expect_used, reason = "documents are part of the source tree")]
    pub(crate) fn parse(text: &str) -> Self {
        let document = serde_json::from_str(text).expect("the document is JSON");
        Self::new(document, UnknownFields::AsDocumented)
    }

    /// # Panics
    /// The value is not an OpenAPI 3.0 or 3.1 document.
    pub(crate) fn new(document: Value, unknown_fields: UnknownFields) -> Self {
        let document = Document::new(document, unknown_fields);
        let mut operations = Vec::new();
        for (template, methods) in document.at("/paths").as_object().into_iter().flatten() {
            for (name, operation) in methods.as_object().into_iter().flatten() {
                let Ok(method) = Method::from_bytes(name.to_uppercase().as_bytes()) else {
                    continue;
                };
                let pointer = format!("/paths/{}/{name}", escape(template));
                operations.extend(Operation::load(&document, method, template, operation, &pointer));
            }
        }
        Self { document, operations }
    }

    /// The operation for a method and a path. If several templates match, the one with the fewest parameters is the route,
    /// whatever its methods.
    pub(crate) fn operation(&self, method: &Method, path: &str) -> Option<&Operation> {
        let matching = || {
            self.operations
                .iter()
                .filter(|operation| operation.path.is_match(path))
        };
        let fewest = matching().map(|operation| operation.path.captures_len()).min()?;
        matching().find(|operation| operation.method == *method && operation.path.captures_len() == fewest)
    }

    pub(crate) fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter()
    }

    pub(crate) fn problems_of_path(&self, operation: &Operation, path: &str) -> Vec<Problem> {
        let values = operation.path_values(path);
        operation.path_parameters.problems(&self.document, values)
    }

    pub(crate) fn problems_of_query(&self, operation: &Operation, query: &str) -> Vec<Problem> {
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        let pairs = pairs.into_owned().collect();
        operation.query_parameters.problems(&self.document, pairs)
    }

    pub(crate) fn problems_of_headers(&self, operation: &Operation, headers: &HeaderMap) -> Vec<Problem> {
        operation.headers.problems_of_headers(&self.document, headers)
    }

    pub(crate) fn problems_of_body(&self, operation: &Operation, body: &[u8]) -> Vec<Problem> {
        let schema = operation.body.as_ref();
        schema.map_or_else(Vec::new, |schema| schema.problems(&self.document, body))
    }

    /// One sentence per problem of a response.
    pub(crate) fn problems_of_response(
        &self,
        operation: &Operation,
        status: u16,
        body: &[u8],
    ) -> Vec<String> {
        operation.responses.problems(&self.document, status, body)
    }

    /// The schema at a JSON pointer.
    pub(crate) fn schema(&self, pointer: &str) -> Schema {
        self.document.schema(pointer)
    }

    /// One sentence per problem of a value.
    pub(crate) fn problems_of_value(&self, schema: &Schema, value: &Value) -> Vec<String> {
        schema.problems(&self.document, value)
    }

    #[cfg(test)]
    pub(crate) fn compile_all(&self) {
        for operation in &self.operations {
            for parameters in [
                &operation.path_parameters,
                &operation.query_parameters,
                &operation.headers,
            ] {
                parameters.problems(&self.document, Vec::new());
            }
            if let Some(body) = &operation.body {
                body.problems(&self.document, b"{}");
            }
            operation.responses.compile_all(&self.document);
        }
    }
}

impl Operation {
    fn load(
        document: &Document,
        method: Method,
        template: &str,
        operation: &Value,
        pointer: &str,
    ) -> Option<Self> {
        // A path also has members that are not operations, such as `parameters`.
        operation.get("responses")?;
        let id = match operation.get("operationId").and_then(Value::as_str) {
            Some(id) => id.to_owned(),
            None => format!("{method} {template}"),
        };
        let parameters = load_parameters(document, operation, pointer);
        let spans_segments = |name: &str| parameters.iter().any(|it| it.spans_segments && it.name == name);
        let group = |name: &str| {
            let characters = if spans_segments(name) { "." } else { "[^/]" };
            format!("(?P<{name}>{characters}+)")
        };
        Some(Self {
            id,
            method,
            path: path_template::compile_with(template, group)?,
            path_parameters: Parameters::of_path(&parameters),
            query_parameters: Parameters::of_query(&parameters),
            headers: Parameters::of_headers(&parameters),
            body: Body::load(document, operation, pointer),
            responses: Responses::load(document, operation, pointer),
        })
    }

    pub(crate) fn documents_status(&self, status: u16) -> bool {
        self.response(status).is_some()
    }

    pub(crate) fn response(&self, status: u16) -> Option<&Response> {
        self.responses.get(status)
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        self.path.is_match(path)
    }

    fn path_values(&self, path: &str) -> Vec<(String, String)> {
        let Some(captures) = self.path.captures(path) else {
            return Vec::new();
        };
        self.path
            .capture_names()
            .flatten()
            .filter_map(|name| Some((name.to_owned(), captures.name(name)?.as_str().to_owned())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r##"{
        "openapi": "3.1.0",
        "paths": {"/things/{id}": {"put": {
            "operationId": "put_thing",
            "parameters": [
                {"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}},
                {"name": "dry", "in": "query", "schema": {"type": "boolean"}},
                {"name": "x-version", "in": "header", "required": true, "schema": {"const": 1, "type": "integer"}}
            ],
            "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
            "responses": {"204": {"description": "done"}}
        }}},
        "components": {"schemas": {"Thing": {"type": "object", "properties": {"name": {"type": ["string", "null"]}}}}}
    }"##;

    #[test]
    fn a_request_is_checked_in_every_location() {
        let api = OpenApi::parse(DOCUMENT);
        api.compile_all();
        let put = api.operation(&Method::PUT, "/things/7").unwrap();
        assert_eq!(put.id, "put_thing");
        assert_eq!(api.problems_of_path(put, "/things/7"), []);
        assert!(matches!(
            api.problems_of_path(put, "/things/x")[..],
            [Problem::Path(_)]
        ));
        assert_eq!(api.problems_of_query(put, "dry=true"), []);
        assert!(matches!(
            &api.problems_of_query(put, "dry=maybe&wet=1")[..],
            [Problem::Query(_), Problem::UnknownQuery(name)] if name == "wet"
        ));
        let mut headers = HeaderMap::new();
        assert!(matches!(
            api.problems_of_headers(put, &headers)[..],
            [Problem::Header(_)]
        ));
        headers.insert("x-version", "1".parse().unwrap());
        headers.insert("accept", "*/*".parse().unwrap());
        assert_eq!(api.problems_of_headers(put, &headers), []);
        assert_eq!(api.problems_of_body(put, br#"{"name":null}"#), []);
        assert_eq!(api.problems_of_body(put, b"{"), [Problem::NotJson]);
        assert!(matches!(api.problems_of_body(put, b"")[..], [Problem::Body(_)]));
        assert_eq!(
            api.problems_of_body(put, br#"{"nam":1}"#),
            [Problem::UnknownField("nam".to_owned())]
        );
    }

    #[test]
    fn a_response_is_checked_by_status() {
        let api = OpenApi::parse(DOCUMENT);
        let put = api.operation(&Method::PUT, "/things/7").unwrap();
        assert_eq!(api.problems_of_response(put, 204, b""), [] as [String; 0]);
        assert_eq!(
            api.problems_of_response(put, 204, b"{}"),
            ["response 204 has a body"]
        );
        assert_eq!(
            api.problems_of_response(put, 200, b"{}"),
            ["the operation has no response 200"]
        );
    }
}
