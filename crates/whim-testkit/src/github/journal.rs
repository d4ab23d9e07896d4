//! Received requests and violations.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use axum::http::{Method, StatusCode};

/// A received request of the REST API or of git.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRequest {
    pub method: Method,
    /// Without the prefix `/api/v3`.
    pub path: String,
    pub query: String,
    /// The login that the token belongs to, if it is valid.
    pub login: Option<String>,
    /// The status of the response; `None` if the connection was cut before processing.
    pub status: Option<StatusCode>,
    /// The response was not delivered.
    pub cut: bool,
}

/// An invalid request, or a response of the fake that GitHub would not give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub kind: ViolationKind,
    pub method: Method,
    pub path: String,
    /// Description of the problem.
    pub problem: String,
}

/// The side at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViolationKind {
    /// The caller.
    Request,
    /// This fake.
    Answer,
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
            ViolationKind::Answer => "answer of the fake",
        };
        write!(formatter, "{kind} {method} {path}: {problem}")
    }
}

#[derive(Debug, Default)]
pub(super) struct Journal {
    requests: RwLock<Vec<RecordedRequest>>,
    violations: RwLock<Vec<Violation>>,
}

impl Journal {
    pub(super) fn record(&self, request: RecordedRequest) {
        self.requests
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(request);
    }

    pub(super) fn requests(&self) -> Vec<RecordedRequest> {
        self.requests
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn violate(&self, violation: Violation) {
        self.violations
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(violation);
    }

    pub(super) fn violations(&self) -> Vec<Violation> {
        self.violations
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn take_violations(&self) -> Vec<Violation> {
        std::mem::take(&mut *self.violations.write().unwrap_or_else(PoisonError::into_inner))
    }
}
