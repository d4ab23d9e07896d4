//! The model API: the endpoints that agents use, with the real credential in place of the attempt's token. Responses are
//! streamed through.

mod endpoint;
mod limit;
mod limit_report;
mod metered;
mod request;
mod usage;
mod usage_report;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::json;
use tokio::time::timeout;
use whim_core::protocol::gateway::TokenScope;
use whim_service::chain::chain;

use self::endpoint::Endpoint;
pub(crate) use self::limit::ModelLimit;
pub(crate) use self::limit_report::{LimitReports, limit_reporter};
use self::metered::{Metered, Request as MeteredRequest};
use self::request::MessagesRequest;
pub(crate) use self::usage_report::{UsageReports, usage_reporter};
use crate::attempts::{Attempt, Attempts};
use crate::config::{EgressConfig, EgressPolicy, ModelConfig, ModelCredential, ModelPattern};
use crate::credential;
use crate::metrics::{self, Part};
use crate::refusal::Refusal;
use crate::upstream;

/// The documented limit of the Messages API.
const MAX_REQUEST_BYTES: usize = 32 * 1024 * 1024;
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// Time to receive a request.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
/// Time to the head of a response: without streaming, the model writes the whole answer first.
const RESPONSE_TIMEOUT: Duration = Duration::from_mins(15);

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
/// The beta that the token of a plan needs. Claude Code does not name it, because it has no such token here.
const OAUTH_BETA: HeaderValue = HeaderValue::from_static("oauth-2025-04-20");

#[derive(Debug)]
pub(crate) struct Model {
    base: String,
    credential: ModelCredential,
    models: Vec<ModelPattern>,
    /// Whether tools of the API's own servers may reach the network.
    may_fetch: bool,
    attempts: Arc<Attempts>,
    limits: LimitReports,
    usage: UsageReports,
    client: reqwest::Client,
}

impl Model {
    pub(crate) fn new(
        config: &ModelConfig,
        egress: &EgressConfig,
        attempts: Arc<Attempts>,
        limits: LimitReports,
        usage: UsageReports,
        client: reqwest::Client,
    ) -> Self {
        Self {
            base: upstream::base(&config.base_url),
            credential: config.credential.clone(),
            models: config.models.clone(),
            may_fetch: egress.policy == EgressPolicy::Open,
            limits,
            usage,
            attempts,
            client,
        }
    }

    /// Answers a request for a path below `/anthropic`.
    pub(crate) async fn answer(&self, path: &str, request: Request) -> Response {
        // Claude Code checks first whether there is a server.
        if path.is_empty() && matches!(*request.method(), Method::GET | Method::HEAD) {
            return StatusCode::OK.into_response();
        }
        let token = credential::of_model_client(request.headers());
        let what = format!("{} /{path}", request.method());
        let attempt = match self.attempts.find(token.as_deref(), TokenScope::Agent).await {
            Ok(attempt) => attempt,
            Err(denied) => return refuse(Refusal::from(denied), None, &what),
        };
        match self.forward(path, request, &attempt).await {
            Ok(response) => response,
            Err(refusal) => refuse(refusal, Some(&attempt), &what),
        }
    }

    async fn forward(&self, path: &str, request: Request, attempt: &Attempt) -> Result<Response, Refusal> {
        let endpoint = Endpoint::of(request.method(), path, request.uri().query())?;
        attempt.state.count_request().map_err(|wait| {
            let message = "too many requests of this attempt in a minute (GATEWAY_MODEL_REQUESTS_PER_MINUTE)";
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, "rate", message).retry_after(wait)
        })?;
        let (parts, body) = request.into_parts();
        let size = size_of(&parts.headers)?;
        // Held until the head of the response: the body is sent by then.
        let _room = attempt.state.reserve_body(size).await;
        let body = read(body).await?;
        let asked = MessagesRequest::parse(&body)?;
        self.check(&asked)?;

        let url = format!("{}{}", self.base, endpoint.path_and_query());
        let sent = self
            .client
            .post(url)
            .headers(self.headers(&parts.headers))
            .body(body.clone())
            .send();
        let answer = timeout(RESPONSE_TIMEOUT, sent)
            .await
            .map_err(|_elapsed| Refusal::upstream("the model API did not answer in time"))?
            .map_err(|error| {
                tracing::warn!(error = %chain(&error), "a request to ANTHROPIC_BASE_URL failed");
                Refusal::upstream("the model API cannot be reached")
            })?;
        let status = answer.status();
        let headers = upstream::kept(answer.headers(), is_response_header);
        if !status.is_success() {
            return self.failed(status, headers, answer, attempt).await;
        }
        let metered = MeteredRequest {
            attempt: attempt.clone(),
            model: asked.model.into_owned(),
            id: text(&headers, "request-id"),
            is_stream: text(&headers, "content-type").starts_with("text/event-stream"),
            bytes: body.len(),
            reports: self.usage.clone(),
        };
        let chunks = Metered::new(answer.bytes_stream(), metered);
        Ok((status, headers, Body::from_stream(chunks)).into_response())
    }

    /// Errors are short: they are read for limits before they are passed on.
    async fn failed(
        &self,
        status: StatusCode,
        headers: HeaderMap,
        answer: reqwest::Response,
        attempt: &Attempt,
    ) -> Result<Response, Refusal> {
        let mut body = Vec::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let Ok(chunk) = chunk else { break };
            let room = MAX_ERROR_BYTES - body.len();
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if body.len() == MAX_ERROR_BYTES {
                break;
            }
        }
        if status.is_redirection() || status.is_informational() {
            let message = format!("the model API answered {status}; check ANTHROPIC_BASE_URL");
            return Err(Refusal::upstream(message));
        }
        if let Some(reported) = limit::of_response(status, &headers, &body) {
            let limit = reported.limit.as_str();
            metrics::model_limit(limit);
            let (work_item_id, worker_id) = (attempt.grant.work_item_id, attempt.grant.worker_id);
            let resets_in_seconds = reported.reset.map(|reset| reset.as_secs());
            tracing::warn!(
                %work_item_id,
                %worker_id,
                status = status.as_u16(),
                limit,
                resets_in_seconds,
                "the model API reports a limit"
            );
            self.limits.add(worker_id, &reported);
        }
        Ok((status, headers, body).into_response())
    }

    fn check(&self, asked: &MessagesRequest<'_>) -> Result<(), Refusal> {
        let model = asked.model.as_ref();
        if !self.models.is_empty() && !self.models.iter().any(|pattern| pattern.matches(model)) {
            let message = format!("the model {model:?} is not allowed (GATEWAY_MODELS)");
            return Err(Refusal::forbidden("model", message));
        }
        match asked.reaches_network() {
            Some(what) if !self.may_fetch => Err(Refusal::forbidden(
                "server_tool",
                format!("{what} would make the model API reach the network, which only EGRESS=open allows"),
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn headers(&self, sent: &HeaderMap) -> HeaderMap {
        let mut headers = upstream::kept(sent, is_request_header);
        match &self.credential {
            ModelCredential::ApiKey(key) => {
                headers.insert(API_KEY, key.clone());
            }
            ModelCredential::OauthToken(token) => {
                headers.insert(header::AUTHORIZATION, token.clone());
                headers.append(BETA, OAUTH_BETA);
            }
        }
        headers
    }
}

/// What agents' clients say of themselves and of the protocol. Without `accept-encoding`, so that the usage can be read.
fn is_request_header(name: &str) -> bool {
    const KEPT: [&str; 6] = [
        "accept",
        "content-type",
        "user-agent",
        "x-app",
        "x-claude-code-session-id",
        "x-client-request-id",
    ];
    KEPT.contains(&name) || name.starts_with("anthropic-") || name.starts_with("x-stainless-")
}

/// What clients need to read the answer and to wait. Others name the organization of the credential, for example.
fn is_response_header(name: &str) -> bool {
    const KEPT: [&str; 5] = [
        "cache-control",
        "content-type",
        "request-id",
        "retry-after",
        "x-should-retry",
    ];
    KEPT.contains(&name) || name.starts_with("anthropic-ratelimit-")
}

/// The size of the body, which is the largest possible if it is not known.
fn size_of(headers: &HeaderMap) -> Result<usize, Refusal> {
    let Some(length) = headers.get(header::CONTENT_LENGTH) else {
        return Ok(MAX_REQUEST_BYTES);
    };
    let length = length.to_str().ok().and_then(|length| length.parse().ok());
    length
        .filter(|length| *length <= MAX_REQUEST_BYTES)
        .ok_or_else(too_large)
}

fn too_large() -> Refusal {
    Refusal::too_large(format!(
        "the body is incomplete, or larger than {MAX_REQUEST_BYTES} bytes"
    ))
}

async fn read(body: Body) -> Result<Bytes, Refusal> {
    let read = timeout(REQUEST_TIMEOUT, to_bytes(body, MAX_REQUEST_BYTES)).await;
    read.map_err(|_elapsed| Refusal::invalid("the body of the request did not arrive in time"))?
        .map_err(|_error| too_large())
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// In the format of the API's own errors, which clients show.
fn refuse(refusal: Refusal, attempt: Option<&Attempt>, what: &str) -> Response {
    refusal.record(Part::Model, attempt, what);
    let kind = match refusal.status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::NOT_FOUND => "not_found_error",
        StatusCode::PAYLOAD_TOO_LARGE => "request_too_large",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_server_error() => "api_error",
        _ => "invalid_request_error",
    };
    let message = format!("Whim's gateway: {}", refusal.message);
    let body = json!({ "type": "error", "error": { "type": kind, "message": message } });
    let mut response = (refusal.status, Json(body)).into_response();
    refusal.add_headers(&mut response);
    response
}
