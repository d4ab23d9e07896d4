//! Received requests and violations.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use axum::http::{Method, StatusCode};

/// A request of any kind. `status` is `None` if the response was held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRequest {
    pub method: Method,
    pub path: String,
    pub status: Option<StatusCode>,
}

/// A request or a response that is not in `openapi.json`.
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
    /// This fake.
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
