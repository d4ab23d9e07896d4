//! The requests that a fake received, and what was wrong with them or with its responses.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use axum::http::{Method, StatusCode};
use tokio::task::JoinError;

use crate::path_template;

/// A request that a fake received, refused ones included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRequest {
    pub method: Method,
    /// Without a prefix of the whole API, such as `/api/v3`.
    pub path: String,
    pub query: String,
    /// The account of the token; `None` if the token is unknown or the API has no accounts.
    pub login: Option<String>,
    /// `None` if the connection was cut before the request was processed.
    pub status: Option<StatusCode>,
    /// A fault kept the response from the client.
    pub cut: bool,
}

/// A request or a response that the description of the API does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub kind: ViolationKind,
    pub method: Method,
    pub path: String,
    pub problem: String,
}

/// The side at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViolationKind {
    /// The client.
    Request,
    /// The fake.
    Response,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            method,
            path,
            problem,
        } = self;
        let kind = match kind {
            ViolationKind::Request => "request",
            ViolationKind::Response => "response of the fake to",
        };
        write!(formatter, "{kind} {method} {path}: {problem}")
    }
}

#[derive(Debug, Default)]
pub(crate) struct Journal {
    requests: RwLock<Vec<RecordedRequest>>,
    violations: RwLock<Vec<Violation>>,
}

impl Journal {
    pub(crate) fn record(&self, request: RecordedRequest) {
        self.requests
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(request);
    }

    /// All requests, oldest first.
    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.requests
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The number of requests with this method on paths that match the template.
    ///
    /// # Panics
    /// The path is not a path template.
    #[track_caller]
    pub(crate) fn count_requests(&self, method: &Method, path: &str) -> usize {
        let pattern = path_template::compile(path);
        let requests = self.requests.read().unwrap_or_else(PoisonError::into_inner);
        requests
            .iter()
            .filter(|request| request.method == *method && pattern.is_match(&request.path))
            .count()
    }

    pub(crate) fn record_violation(&self, kind: ViolationKind, method: &Method, path: &str, problem: String) {
        let violation = Violation {
            kind,
            method: method.clone(),
            path: path.to_owned(),
            problem,
        };
        self.violations
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(violation);
    }

    /// Records a handler that panicked. The client sees only a closed connection, which could pass for a cut one.
    pub(crate) fn record_panic(&self, error: &JoinError) {
        let problem = format!("a handler of the fake panicked: {error}");
        self.record_violation(ViolationKind::Response, &Method::GET, "unknown", problem);
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.violations
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn take_violations(&self) -> Vec<Violation> {
        std::mem::take(&mut *self.violations.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the violations; `rule` is the beginning of the message.
    ///
    /// # Panics
    /// There are violations.
    #[track_caller]
    pub(crate) fn assert_no_violations(&self, rule: &str) {
        let violations: Vec<String> = self.take_violations().iter().map(ToString::to_string).collect();
        assert!(violations.is_empty(), "{rule}:\n{}", violations.join("\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_method_and_path_template() {
        let journal = Journal::default();
        for (method, path) in [
            (Method::GET, "/things/1"),
            (Method::GET, "/things/2"),
            (Method::PUT, "/things/1"),
            (Method::GET, "/things/1/parts"),
        ] {
            journal.record(RecordedRequest {
                method,
                path: path.to_owned(),
                query: String::new(),
                login: None,
                status: Some(StatusCode::OK),
                cut: false,
            });
        }
        assert_eq!(journal.count_requests(&Method::GET, "/things/{id}"), 2);
        assert_eq!(journal.count_requests(&Method::PUT, "/things/{id}"), 1);
        assert_eq!(journal.count_requests(&Method::GET, "/{*rest}"), 3);
    }

    #[test]
    #[should_panic(expected = "the rule:\nresponse of the fake to GET /things/1: no")]
    fn a_violation_fails_the_assertion() {
        let journal = Journal::default();
        journal.record_violation(
            ViolationKind::Response,
            &Method::GET,
            "/things/1",
            "no".to_owned(),
        );
        journal.assert_no_violations("the rule");
    }
}
