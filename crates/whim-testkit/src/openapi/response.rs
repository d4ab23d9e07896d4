//! Checks responses against a document.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{Document, Schema, escape};

pub(crate) const JSON: &str = "application/json";

/// The responses of an operation by status.
pub(crate) struct Responses {
    by_status: BTreeMap<u16, Response>,
}

/// A response as the document describes it.
pub(crate) struct Response {
    /// Media types with their schemas, if there are any; empty if the response has no body.
    content: BTreeMap<String, Option<Schema>>,
}

impl Responses {
    pub(crate) fn load(document: &Document, operation: &Value, pointer: &str) -> Self {
        let statuses = operation.get("responses").and_then(Value::as_object);
        let by_status = statuses
            .into_iter()
            .flat_map(|statuses| statuses.keys())
            .filter_map(|status| {
                let pointer = document.resolve(&format!("{pointer}/responses/{status}"));
                Some((status.parse().ok()?, Response::load(document, &pointer)))
            });
        Self {
            by_status: by_status.collect(),
        }
    }

    /// One sentence per problem.
    pub(crate) fn problems(&self, document: &Document, status: u16, body: &[u8]) -> Vec<String> {
        let Some(response) = self.by_status.get(&status) else {
            return vec![format!("the operation has no response {status}")];
        };
        match response.schema(JSON) {
            None if body.is_empty() => Vec::new(),
            None => vec![format!("response {status} has a body")],
            Some(schema) => match serde_json::from_slice(body) {
                Ok(value) => schema.problems(document, &value),
                Err(error) => vec![format!("response {status} is not JSON: {error}")],
            },
        }
    }

    pub(crate) fn get(&self, status: u16) -> Option<&Response> {
        self.by_status.get(&status)
    }

    #[cfg(test)]
    pub(crate) fn compile_all(&self, document: &Document) {
        for response in self.by_status.values() {
            for schema in response.content.values().flatten() {
                schema.validator(document);
            }
        }
    }
}

impl Response {
    fn load(document: &Document, pointer: &str) -> Self {
        let content = document.at(&format!("{pointer}/content")).as_object();
        let content = content.into_iter().flatten().map(|(media_type, media)| {
            let pointer = format!("{pointer}/content/{}/schema", escape(media_type));
            let has_schema = media.get("schema").is_some();
            (media_type.clone(), has_schema.then(|| document.schema(&pointer)))
        });
        Self {
            content: content.collect(),
        }
    }

    pub(crate) fn has_body(&self) -> bool {
        !self.content.is_empty()
    }

    pub(crate) fn has_media_type(&self, media_type: &str) -> bool {
        self.content.contains_key(media_type)
    }

    pub(crate) fn schema(&self, media_type: &str) -> Option<&Schema> {
        self.content.get(media_type)?.as_ref()
    }
}
