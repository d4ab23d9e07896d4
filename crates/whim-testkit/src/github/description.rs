//! GitHub's own published description of its REST API, as the judge of every request and every answer.
//!
//! The description is data of this crate (`data/README.md` names its source). Its schemas are compiled when an
//! operation first needs them, and kept for the rest of the process.

use std::sync::LazyLock;

use axum::http::Method;
use regex::Regex;
use serde_json::Value;

mod answer;
mod document;
mod request;

pub(super) use request::Problem;

use super::template;
use answer::Answers;
use request::{Body, Parameters};

static DESCRIPTION: LazyLock<Description> = LazyLock::new(Description::load);

/// Every operation that the description knows.
pub(super) struct Description {
    operations: Vec<Operation>,
}

/// One operation: a method on a path.
pub(super) struct Operation {
    /// GitHub's name for it, such as `issues/add-labels`.
    pub(super) id: String,
    method: Method,
    path: Regex,
    path_parameters: Parameters,
    query_parameters: Parameters,
    body: Option<Body>,
    answers: Answers,
}

impl Description {
    /// The one copy of this process.
    pub(super) fn get() -> &'static Self {
        &DESCRIPTION
    }

    fn load() -> Self {
        let mut operations = Vec::new();
        for (template, methods) in document::at("/paths").as_object().into_iter().flatten() {
            for (name, operation) in methods.as_object().into_iter().flatten() {
                let Ok(method) = Method::from_bytes(name.to_uppercase().as_bytes()) else {
                    continue;
                };
                let pointer = format!("/paths/{}/{name}", document::escape(template));
                operations.extend(Operation::load(method, template, operation, &pointer));
            }
        }
        Self { operations }
    }

    /// The operation that a method and a path mean. Templates do not overlap but for fixed words, which win.
    pub(super) fn operation(&self, method: &Method, path: &str) -> Option<&Operation> {
        let fits = |operation: &&Operation| operation.method == *method && operation.path.is_match(path);
        self.operations
            .iter()
            .filter(fits)
            .min_by_key(|operation| operation.path.captures_len())
    }

    #[cfg(test)]
    pub(super) fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter()
    }
}

impl Operation {
    fn load(method: Method, template: &str, operation: &Value, pointer: &str) -> Option<Self> {
        let id = operation.get("operationId")?.as_str()?.to_owned();
        let parameters = request::load_parameters(operation, pointer);
        let spans_segments = |name: &str| parameters.iter().any(|it| it.spans_segments && it.name == name);
        let group = |name: &str| {
            let characters = if spans_segments(name) { "." } else { "[^/]" };
            format!("(?P<{name}>{characters}+)")
        };
        Some(Self {
            id,
            method,
            path: template::compile_with(template, group)?,
            path_parameters: Parameters::load("path", &parameters),
            query_parameters: Parameters::load("query", &parameters),
            body: Body::load(operation, pointer),
            answers: Answers::load(operation, pointer),
        })
    }

    /// All that is wrong with a request for this operation.
    pub(super) fn problems_of_request(&self, path: &str, query: &str, body: &[u8]) -> Vec<Problem> {
        let mut problems = self.path_parameters.problems(self.path_values(path));
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        problems.extend(self.query_parameters.problems(pairs.into_owned().collect()));
        if let Some(described) = &self.body {
            problems.extend(described.problems(body));
        }
        problems
    }

    /// All that is wrong with an answer to this operation, in words.
    pub(super) fn problems_of_answer(&self, status: u16, body: &[u8]) -> Vec<String> {
        self.answers.problems(status, body)
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

    #[test]
    fn every_schema_of_the_description_compiles() {
        let mut operations = 0;
        for operation in Description::get().operations() {
            operations += 1;
            operation.path_parameters.problems(Vec::new());
            operation.query_parameters.problems(Vec::new());
            if let Some(body) = &operation.body {
                body.problems(b"{}");
            }
            operation.answers.compile_all();
        }
        assert_eq!(operations, 40);
    }

    #[test]
    fn a_fixed_word_wins_over_a_parameter() {
        let description = Description::get();
        let operation = description.operation(&Method::PATCH, "/repos/o/r/issues/comments/7");
        assert_eq!(operation.map(|it| it.id.as_str()), Some("issues/update-comment"));
        let operation = description.operation(&Method::GET, "/repos/o/r/branches/whim/7-a-b");
        assert_eq!(operation.map(|it| it.id.as_str()), Some("repos/get-branch"));
        assert!(
            description
                .operation(&Method::GET, "/repos/o/r/nonsense")
                .is_none()
        );
        assert!(description.operation(&Method::DELETE, "/repos/o/r").is_none());
    }

    #[test]
    fn a_request_is_held_against_parameters_and_body() {
        let description = Description::get();
        let list = description.operation(&Method::GET, "/repos/o/r/issues").unwrap();
        assert_eq!(
            list.problems_of_request("/repos/o/r/issues", "labels=a,b&per_page=5", b""),
            []
        );
        let problems = list.problems_of_request("/repos/o/r/issues", "state=ajar&label=a", b"");
        assert!(matches!(&problems[..], [Problem::Query(_), Problem::UnknownQuery(name)] if name == "label"));

        let get = description
            .operation(&Method::GET, "/repos/o/r/issues/x")
            .unwrap();
        let problems = get.problems_of_request("/repos/o/r/issues/x", "", b"");
        assert!(matches!(&problems[..], [Problem::Path(_)]));

        let add = description
            .operation(&Method::POST, "/repos/o/r/issues/1/labels")
            .unwrap();
        let path = "/repos/o/r/issues/1/labels";
        assert_eq!(add.problems_of_request(path, "", br#"{"labels":["a"]}"#), []);
        assert!(matches!(
            &add.problems_of_request(path, "", b"{")[..],
            [Problem::NotJson]
        ));
        let problems = add.problems_of_request(path, "", br#"{"labels":[]}"#);
        assert!(matches!(&problems[..], [Problem::Body(_)]));

        let create = description.operation(&Method::POST, "/repos/o/r/pulls").unwrap();
        let body = br#"{"head":"a","base":"b","title":"t","labels":["x"]}"#;
        let problems = create.problems_of_request("/repos/o/r/pulls", "", body);
        assert!(matches!(&problems[..], [Problem::UnknownField(name)] if name == "labels"));
        assert!(matches!(
            &create.problems_of_request("/repos/o/r/pulls", "", b"")[..],
            [Problem::Body(_)]
        ));
    }

    #[test]
    fn null_is_allowed_exactly_where_the_description_says_so() {
        let description = Description::get();
        let update = description
            .operation(&Method::PATCH, "/repos/o/r/issues/1")
            .unwrap();
        let path = "/repos/o/r/issues/1";
        assert_eq!(
            update.problems_of_request(path, "", br#"{"body":null,"state_reason":null}"#),
            []
        );
        let problems = update.problems_of_request(path, "", br#"{"state":null}"#);
        assert!(matches!(&problems[..], [Problem::Body(_), ..]));
    }

    #[test]
    fn an_answer_is_held_against_the_schema_of_its_status() {
        let description = Description::get();
        let get = description
            .operation(&Method::GET, "/repos/o/r/labels/a")
            .unwrap();
        let label = br#"{"id":1,"node_id":"L","url":"http://h/l","name":"a","description":null,"color":"ededed","default":false}"#;
        assert_eq!(get.problems_of_answer(200, label), Vec::<String>::new());
        assert!(!get.problems_of_answer(200, br#"{"id":"one"}"#).is_empty());
        assert_eq!(
            get.problems_of_answer(204, b""),
            ["the operation has no answer 204"]
        );
        assert_eq!(get.problems_of_answer(502, b"<html>"), Vec::<String>::new());
    }
}
