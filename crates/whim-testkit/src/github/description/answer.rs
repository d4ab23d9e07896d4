//! Our own answers held against the description.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{self, Schema};

/// The answers of an operation by status.
pub(super) struct Answers {
    known: BTreeMap<u16, Answer>,
}

enum Answer {
    Empty,
    Json(Schema),
}

impl Answers {
    pub(super) fn load(operation: &Value, pointer: &str) -> Self {
        let statuses = operation.get("responses").and_then(Value::as_object);
        let known = statuses
            .into_iter()
            .flat_map(|statuses| statuses.keys())
            .filter_map(|status| {
                let pointer = document::resolve(&format!("{pointer}/responses/{status}"));
                let schema = format!("{pointer}/content/application~1json/schema");
                let answer = if document::at(&schema).is_null() {
                    Answer::Empty
                } else {
                    Answer::Json(Schema::new(document::reference(&schema)))
                };
                Some((status.parse().ok()?, answer))
            });
        Self {
            known: known.collect(),
        }
    }

    /// What is wrong with an answer, in words. Errors that the description leaves out are of no known kind, and
    /// nothing is wrong with them.
    pub(super) fn problems(&self, status: u16, body: &[u8]) -> Vec<String> {
        match self.known.get(&status) {
            None if (400..600).contains(&status) => Vec::new(),
            None => vec![format!("the operation has no answer {status}")],
            Some(Answer::Empty) if body.is_empty() => Vec::new(),
            Some(Answer::Empty) => vec![format!("answer {status} has a body")],
            Some(Answer::Json(schema)) => match serde_json::from_slice(body) {
                Ok(value) => schema.problems(&value),
                Err(error) => vec![format!("answer {status} is not JSON: {error}")],
            },
        }
    }

    #[cfg(test)]
    pub(super) fn compile_all(&self) {
        for answer in self.known.values() {
            if let Answer::Json(schema) = answer {
                schema.validator();
            }
        }
    }
}
