//! The REST API around its handlers: who asks comes before what is asked, and the description has the last word on
//! both the request and the answer.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

use super::access::{Access, Caller, Need};
use super::asked::Asked;
use super::description::{description, problems_of_response};
use super::journal::ViolationKind;
use super::refusal::Refusal;
use super::routes::{Call, routes};
use super::shared::Shared;
use super::tags::{entity_tag, is_held};
use crate::openapi::{Operation, Problem};

/// The largest answer, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

pub(super) struct Rest {
    shared: Arc<Shared>,
    handlers: Router,
}

/// A request whose operation is known.
pub(super) struct Described {
    operation: &'static Operation,
    /// What GitHub refuses of it.
    refusal: Option<Refusal>,
    /// Names of parameters and fields that GitHub overlooks.
    overlooked: Vec<String>,
}

impl Rest {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let handlers = routes(Arc::clone(&shared));
        Self { shared, handlers }
    }

    /// Holds a request against the description, writes down what is wrong with it, and gives its operation.
    pub(super) fn examine(&self, asked: &Asked) -> Option<Described> {
        let violate = |problem: String| self.shared.violate(asked, ViolationKind::Request, problem);
        if !asked.headers.contains_key(header::USER_AGENT) {
            violate("there is no User-Agent".to_owned());
        }
        let Some(operation) = description().operation(&asked.method, &asked.path) else {
            violate("the description knows no such operation".to_owned());
            return None;
        };
        let mut described = Described {
            operation,
            refusal: None,
            overlooked: Vec::new(),
        };
        let api = description();
        let mut problems = api.problems_of_path(operation, &asked.path);
        problems.extend(api.problems_of_query(operation, &asked.query));
        problems.extend(api.problems_of_body(operation, &asked.body));
        for problem in problems {
            violate(problem.to_string());
            match problem {
                Problem::Path(_) => described.refuse(Refusal::NotFound),
                Problem::NotJson => described.refuse(Refusal::NotJson),
                Problem::Query(what) | Problem::Header(what) | Problem::Body(what) => {
                    described.refuse(Refusal::Malformed(what))
                }
                Problem::UnknownQuery(name) | Problem::UnknownField(name) => described.overlooked.push(name),
            }
        }
        Some(described)
    }

    pub(super) async fn answer(
        &self,
        asked: &Asked,
        caller: &Caller,
        described: Option<Described>,
    ) -> Response {
        let operation = described.as_ref().map(|described| described.operation);
        let answer = match self.admit(asked, caller, described) {
            Ok((call, overlooked)) => self.handle(asked, call, &overlooked).await,
            Err(refusal) => refusal.into_response(),
        };
        let (mut parts, body) = answer.into_parts();
        let mut body = match to_bytes(body, LARGEST_ANSWER).await {
            Ok(body) => body,
            Err(error) => return Refusal::Internal(error.to_string()).into_response(),
        };
        self.examine_answer(asked, operation, parts.status, &body);
        if asked.method == Method::GET && parts.status == StatusCode::OK {
            let tag = entity_tag(&body);
            if is_held(&asked.headers, &tag) {
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
        // The length that the handler told is that of the body before it was compared.
        parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(parts, Body::from(body))
    }

    /// Decides whether a request reaches its handler.
    fn admit(
        &self,
        asked: &Asked,
        caller: &Caller,
        described: Option<Described>,
    ) -> Result<(Call, Vec<String>), Refusal> {
        if !asked.headers.contains_key(header::USER_AGENT) {
            return Err(Refusal::NoUserAgent);
        }
        let identity = caller.identity()?;
        let Described {
            operation,
            refusal,
            overlooked,
        } = described.ok_or(Refusal::NotFound)?;
        let standing = self.shared.standing(caller);
        if standing.is_exhausted() && counts(operation) {
            return Err(Refusal::RateLimited);
        }
        let access = if asked.method.is_safe() {
            Access::Read
        } else {
            Access::Write
        };
        if let Some(need) = Need::of(&operation.id, access) {
            // Every repository of the stand-in is private: strangers see none.
            let seen = identity.filter(|identity| identity.permissions.sees_repositories());
            if !seen.ok_or(Refusal::NotFound)?.permissions.allow(need) {
                return Err(Refusal::Forbidden);
            }
        }
        match refusal {
            Some(refusal) => Err(refusal),
            None => Ok((
                Call {
                    identity: identity.cloned(),
                    url: asked.url.clone(),
                    standing,
                },
                overlooked,
            )),
        }
    }

    async fn handle(&self, asked: &Asked, call: Call, overlooked: &[String]) -> Response {
        let request = Request::builder()
            .method(asked.method.clone())
            .uri(asked.uri_without(overlooked));
        match request
            .extension(call)
            .body(Body::from(asked.body_without(overlooked)))
        {
            Ok(request) => match self.handlers.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Err(error) => Refusal::Internal(error.to_string()).into_response(),
        }
    }

    fn examine_answer(&self, asked: &Asked, operation: Option<&Operation>, status: StatusCode, body: &[u8]) {
        let shown = || String::from_utf8_lossy(body).into_owned();
        if status == StatusCode::NOT_IMPLEMENTED {
            self.shared.violate(asked, ViolationKind::Request, shown());
        } else if status.is_server_error() {
            self.shared.violate(asked, ViolationKind::Answer, shown());
        }
        for problem in operation.map_or_else(Vec::new, |it| problems_of_response(it, status.as_u16(), body)) {
            self.shared.violate(asked, ViolationKind::Answer, problem);
        }
    }

    /// An answer that tells the caller to keep what it has costs nothing; nor does asking what is left.
    fn count(&self, caller: &Caller, operation: Option<&Operation>, status: StatusCode) {
        let is_free = status == StatusCode::NOT_MODIFIED || operation.is_some_and(|it| !counts(it));
        if !is_free && !caller.is_unknown() {
            self.shared.count(caller);
        }
    }

    /// Adds the headers that tell what is left of the hourly limit.
    pub(super) fn write_standing(&self, caller: &Caller, headers: &mut HeaderMap) {
        self.shared.standing(caller).write_to(headers);
    }
}

impl Described {
    /// Of all that is wrong, the first is told.
    fn refuse(&mut self, refusal: Refusal) {
        self.refusal.get_or_insert(refusal);
    }
}

/// Whether a request counts against the hourly limit.
fn counts(operation: &Operation) -> bool {
    operation.id != "rate-limit/get"
}
