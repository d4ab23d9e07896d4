//! The steps of every request: credentials, the document, faults, the handler, the document again.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tower::ServiceExt as _;
use whim_core::protocol::ErrorCode;

use super::api_error::ApiError;
use super::contract::{contract, has_path, operation};
use super::faults::Effect;
use super::routes::router;
use super::shared::Shared;
use crate::journal::{RecordedRequest, ViolationKind};
use crate::openapi::Operation;

const WORKER_ROUTES: &str = "/api/worker/";
const API_KEY_HEADER: &str = "x-api-key";
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Pipeline {
    shared: Arc<Shared>,
    api_key: &'static str,
    handlers: Router,
}

impl Pipeline {
    pub(super) fn new(shared: Arc<Shared>, api_key: &'static str) -> Self {
        let handlers = router(Arc::clone(&shared));
        Self {
            shared,
            api_key,
            handlers,
        }
    }

    pub(super) async fn serve(&self, request: Request) -> Response {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY_BYTES).await;
        let (response, is_held) = match body.map(|body| plain(&parts, body)) {
            Ok(Some(body)) => self.respond(parts, body).await,
            Ok(None) => {
                let error = "the body cannot be decompressed";
                (
                    ApiError::new(ErrorCode::InvalidRequest, error).into_response(),
                    false,
                )
            }
            Err(_) => {
                let error = ApiError::new(ErrorCode::TooLarge, "the body is too large");
                (error.into_response(), false)
            }
        };
        self.shared.journal.record(RecordedRequest {
            method,
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            login: None,
            status: Some(response.status()),
            cut: is_held,
        });
        if is_held {
            std::future::pending().await
        } else {
            response
        }
    }

    /// The response, and whether it is held.
    async fn respond(&self, mut parts: Parts, body: Bytes) -> (Response, bool) {
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        let violate = |kind, problem: String| {
            let journal = &self.shared.journal;
            journal.record_violation(kind, &method, &path, problem);
        };
        let operation = match self.admit(&mut parts, &body) {
            Ok(operation) => operation,
            Err(Denied::Nonsense(error)) => {
                violate(ViolationKind::Request, error.message().to_owned());
                return (error.into_response(), false);
            }
            Err(Denied::Credentials(error)) => return (error.into_response(), false),
        };
        let strike = self.shared.faults.strike(&method, &path, &body);
        if let Some(strike) = &strike {
            tokio::time::sleep(strike.delay).await;
        }
        let effect = strike.as_ref().map(|strike| strike.effect.clone());
        let effect = effect.unwrap_or_default();
        if let Effect::Refuse(error) = effect {
            return (error.into_response(), false);
        }
        let response = self.handle(parts, body, operation, violate).await;
        match effect {
            Effect::LoseResponse => (StatusCode::BAD_GATEWAY.into_response(), false),
            Effect::HoldResponse => (response, true),
            Effect::Pass | Effect::Refuse(_) => (response, false),
        }
    }

    /// Checks a request in the order of the orchestrator: route, credentials, version, parameters, body.
    fn admit(&self, parts: &mut Parts, body: &[u8]) -> Result<&'static Operation, Denied> {
        let nonsense = |code, problem: String| Denied::Nonsense(ApiError::new(code, problem));
        let path = parts.uri.path();
        let Some(operation) = operation(&parts.method, path) else {
            let code = if has_path(path) {
                ErrorCode::MethodNotAllowed
            } else {
                ErrorCode::NotFound
            };
            return Err(nonsense(code, "there is no such operation".to_owned()));
        };
        if path.starts_with(WORKER_ROUTES) {
            let worker = bearer(parts).and_then(|token| self.shared.read().worker_of_token(token));
            let worker = worker.ok_or_else(|| Denied::unauthorized("expected a worker's token"))?;
            parts.extensions.insert(worker);
        } else if bearer(parts).or_else(|| header(parts, API_KEY_HEADER)) != Some(self.api_key) {
            return Err(Denied::unauthorized("expected the API key"));
        }
        if let Some(problem) = contract().problems_of_headers(operation, &parts.headers).first() {
            return Err(nonsense(ErrorCode::UnknownProtocol, problem.to_string()));
        }
        if !body.is_empty() && header(parts, CONTENT_TYPE.as_str()) != Some("application/json") {
            let problem = "the content type is not application/json";
            return Err(nonsense(ErrorCode::InvalidRequest, problem.to_owned()));
        }
        let mut problems = contract().problems_of_path(operation, parts.uri.path());
        let query = parts.uri.query().unwrap_or_default();
        problems.extend(contract().problems_of_query(operation, query));
        if parts.method != Method::GET {
            problems.extend(contract().problems_of_body(operation, body));
        }
        match problems.first() {
            Some(problem) => Err(nonsense(ErrorCode::InvalidRequest, problem.to_string())),
            None => Ok(operation),
        }
    }

    async fn handle(
        &self,
        parts: Parts,
        body: Bytes,
        operation: &Operation,
        violate: impl Fn(ViolationKind, String),
    ) -> Response {
        let request = Request::from_parts(parts, Body::from(body));
        let response = match self.handlers.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let status = parts.status.as_u16();
        if parts.status.is_server_error() {
            violate(
                ViolationKind::Response,
                String::from_utf8_lossy(&body).into_owned(),
            );
        }
        for problem in contract().problems_of_response(operation, status, &body) {
            violate(ViolationKind::Response, problem);
        }
        Response::from_parts(parts, Body::from(body))
    }
}

enum Denied {
    /// No client of the orchestrator may send this.
    Nonsense(ApiError),
    Credentials(ApiError),
}

impl Denied {
    fn unauthorized(error: &str) -> Self {
        Self::Credentials(ApiError::new(ErrorCode::Unauthorized, error))
    }
}

/// The body without compression.
fn plain(parts: &Parts, body: Bytes) -> Option<Bytes> {
    if header(parts, CONTENT_ENCODING.as_str()) == Some("zstd") {
        zstd::decode_all(body.as_ref()).ok().map(Bytes::from)
    } else {
        Some(body)
    }
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}

fn bearer(parts: &Parts) -> Option<&str> {
    header(parts, AUTHORIZATION.as_str())?.strip_prefix("Bearer ")
}
