//! Checks responses against a document.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{Document, Schema, reference};

/// The responses of an operation by status.
pub(crate) struct Responses {
    by_status: BTreeMap<u16, Response>,
}

enum Response {
    Empty,
    Json(Schema),
}

impl Responses {
    pub(crate) fn load(document: &Document, operation: &Value, pointer: &str) -> Self {
        let statuses = operation.get("responses").and_then(Value::as_object);
        let by_status = statuses
            .into_iter()
            .flat_map(|statuses| statuses.keys())
            .filter_map(|status| {
                let pointer = document.resolve(&format!("{pointer}/responses/{status}"));
                let schema = format!("{pointer}/content/application~1json/schema");
                let response = if document.at(&schema).is_null() {
                    Response::Empty
                } else {
                    Response::Json(Schema::new(reference(&schema)))
                };
                Some((status.parse().ok()?, response))
            });
        Self {
            by_status: by_status.collect(),
        }
    }

    /// One sentence per problem.
    pub(crate) fn problems(&self, document: &Document, status: u16, body: &[u8]) -> Vec<String> {
        match self.by_status.get(&status) {
            None => vec![format!("the operation has no response {status}")],
            Some(Response::Empty) if body.is_empty() => Vec::new(),
            Some(Response::Empty) => vec![format!("response {status} has a body")],
            Some(Response::Json(schema)) => match serde_json::from_slice(body) {
                Ok(value) => schema.problems(document, &value),
                Err(error) => vec![format!("response {status} is not JSON: {error}")],
            },
        }
    }

    pub(crate) fn documents(&self, status: u16) -> bool {
        self.by_status.contains_key(&status)
    }

    #[cfg(test)]
    pub(crate) fn compile_all(&self, document: &Document) {
        for response in self.by_status.values() {
            if let Response::Json(schema) = response {
                schema.validator(document);
            }
        }
    }
}
