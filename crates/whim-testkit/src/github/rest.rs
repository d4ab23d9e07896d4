//! The REST API around its handlers: checks credentials first, and both request and response against the description.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

use super::access::{Access, Caller, Need};
use super::description::{description, problems_of_response};
use super::error_response::ErrorResponse;
use super::etags::{entity_tag, is_held};
use super::extract::Call;
use super::received::ReceivedRequest;
use super::routes::routes;
use super::shared::Shared;
use crate::journal::ViolationKind;
use crate::openapi::{Operation, Problem};

/// The largest response, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

pub(super) struct Rest {
    shared: Arc<Shared>,
    handlers: Router,
}

/// A request whose operation is known.
pub(super) struct Described {
    operation: &'static Operation,
    /// The problems that GitHub refuses.
    refusal: Option<ErrorResponse>,
    /// Names of parameters and fields that GitHub ignores.
    overlooked: Vec<String>,
}

impl Rest {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let handlers = routes(Arc::clone(&shared));
        Self { shared, handlers }
    }

    /// Checks a request against the description, records violations, and returns its operation.
    pub(super) fn examine(&self, received: &ReceivedRequest) -> Option<Described> {
        let violate = |problem: String| self.shared.violate(received, ViolationKind::Request, problem);
        if !received.headers.contains_key(header::USER_AGENT) {
            violate("there is no User-Agent".to_owned());
        }
        let Some(operation) = description().operation(&received.method, &received.path) else {
            violate("the description knows no such operation".to_owned());
            return None;
        };
        let mut described = Described {
            operation,
            refusal: None,
            overlooked: Vec::new(),
        };
        let api = description();
        let mut problems = api.problems_of_path(operation, &received.path);
        problems.extend(api.problems_of_query(operation, &received.query));
        problems.extend(api.problems_of_body(operation, &received.body));
        for problem in problems {
            violate(problem.to_string());
            match problem {
                Problem::Path(_) => described.refuse(ErrorResponse::NotFound),
                Problem::NotJson => described.refuse(ErrorResponse::NotJson),
                Problem::Query(what) | Problem::Header(what) | Problem::Body(what) => {
                    described.refuse(ErrorResponse::Malformed(what))
                }
                Problem::UnknownQuery(name) | Problem::UnknownField(name) => described.overlooked.push(name),
            }
        }
        Some(described)
    }

    pub(super) async fn answer(
        &self,
        received: &ReceivedRequest,
        caller: &Caller,
        described: Option<Described>,
    ) -> Response {
        let operation = described.as_ref().map(|described| described.operation);
        let answer = match self.admit(received, caller, described) {
            Ok((call, overlooked)) => self.handle(received, call, &overlooked).await,
            Err(refusal) => refusal.into_response(),
        };
        let (mut parts, body) = answer.into_parts();
        let mut body = match to_bytes(body, LARGEST_ANSWER).await {
            Ok(body) => body,
            Err(error) => return ErrorResponse::Internal(error.to_string()).into_response(),
        };
        self.examine_answer(received, operation, parts.status, &body);
        if received.method == Method::GET && parts.status == StatusCode::OK {
            let tag = entity_tag(&body);
            if is_held(&received.headers, &tag) {
                parts.status = StatusCode::NOT_MODIFIED;
                parts.headers.remove(header::CONTENT_TYPE);
                body = Bytes::new();
            }
            parts
                .headers
                .extend(HeaderValue::from_str(&tag).map(|tag| (header::ETAG, tag)));
        }
        self.count(caller, operation, parts.status);
        self.write_standing(caller, &mut parts.headers);
        // The handler's length is that of the body before the comparison.
        parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(parts, Body::from(body))
    }

    /// Decides whether a request reaches its handler.
    fn admit(
        &self,
        received: &ReceivedRequest,
        caller: &Caller,
        described: Option<Described>,
    ) -> Result<(Call, Vec<String>), ErrorResponse> {
        if !received.headers.contains_key(header::USER_AGENT) {
            return Err(ErrorResponse::NoUserAgent);
        }
        let identity = caller.identity()?;
        let Described {
            operation,
            refusal,
            overlooked,
        } = described.ok_or(ErrorResponse::NotFound)?;
        let standing = self.shared.standing(caller);
        if standing.is_exhausted() && counts(operation) {
            return Err(ErrorResponse::RateLimited);
        }
        let access = if received.method.is_safe() {
            Access::Read
        } else {
            Access::Write
        };
        if let Some(need) = Need::of(&operation.id, access) {
            // Every repository of the fake is private: without access it does not exist.
            let seen = identity.filter(|identity| identity.permissions.sees_repositories());
            if !seen.ok_or(ErrorResponse::NotFound)?.permissions.allow(need) {
                return Err(ErrorResponse::Forbidden);
            }
        }
        match refusal {
            Some(refusal) => Err(refusal),
            None => Ok((
                Call {
                    identity: identity.cloned(),
                    url: received.url.clone(),
                    standing,
                },
                overlooked,
            )),
        }
    }

    async fn handle(&self, received: &ReceivedRequest, call: Call, overlooked: &[String]) -> Response {
        let request = Request::builder()
            .method(received.method.clone())
            .uri(received.uri_without(overlooked));
        match request
            .extension(call)
            .body(Body::from(received.body_without(overlooked)))
        {
            Ok(request) => match self.handlers.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Err(error) => ErrorResponse::Internal(error.to_string()).into_response(),
        }
    }

    fn examine_answer(
        &self,
        received: &ReceivedRequest,
        operation: Option<&Operation>,
        status: StatusCode,
        body: &[u8],
    ) {
        let shown = || String::from_utf8_lossy(body).into_owned();
        if status == StatusCode::NOT_IMPLEMENTED {
            self.shared.violate(received, ViolationKind::Request, shown());
        } else if status.is_server_error() {
            self.shared.violate(received, ViolationKind::Response, shown());
        }
        for problem in operation.map_or_else(Vec::new, |it| problems_of_response(it, status.as_u16(), body)) {
            self.shared.violate(received, ViolationKind::Response, problem);
        }
    }

    /// 304 and requests for the rate limit itself are not counted.
    fn count(&self, caller: &Caller, operation: Option<&Operation>, status: StatusCode) {
        let is_free = status == StatusCode::NOT_MODIFIED || operation.is_some_and(|it| !counts(it));
        if !is_free && !caller.is_unknown() {
            self.shared.count(caller);
        }
    }

    /// Adds the rate limit headers.
    pub(super) fn write_standing(&self, caller: &Caller, headers: &mut HeaderMap) {
        self.shared.standing(caller).write_to(headers);
    }
}

impl Described {
    /// The first problem decides the response.
    fn refuse(&mut self, refusal: ErrorResponse) {
        self.refusal.get_or_insert(refusal);
    }
}

/// Whether a request counts against the hourly limit.
fn counts(operation: &Operation) -> bool {
    operation.id != "rate-limit/get"
}
