//! A fake Anthropic Messages API whose scripted model drives the real Claude Code CLI.
//!
//! It answers four kinds of request: those with the tools of a coding agent, those for a SPEC.md, those for a review, and side
//! questions.
//! The next turn of a run is derived from the conversation in the request, so any number of agents can work at the same
//! time, and a killed one leaves no state. A request that the real API would refuse is refused with its error body and recorded.

mod answer;
mod check;
mod coder;
mod conversation;
mod gate;
mod refusal;
mod request;
mod reviewer;
mod script;
mod spec_writer;
mod state;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State as SharedState};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use uuid::Uuid;

use self::answer::{Answer, Block, Ending, Usage};
use self::check::{Endpoint, check_body, check_credential, check_headers};
pub use self::coder::{Coder, Solution};
use self::conversation::{Conversation, Turn};
pub use self::gate::{Gate, Moment};
use self::refusal::Refusal;
use self::request::{MessagesRequest, Role};
use self::script::Outcome;
pub use self::script::{AgentScript, ApiError, Fault, ReviewScript, SpecScript};
use self::state::State;
pub use self::state::{RecordedRequest, RequestKind};
use crate::server::{Server, listen_on};

/// The documented limit of the Messages API.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// A running fake; stopped on drop.
#[derive(Debug)]
pub struct Anthropic {
    server: Server,
    state: Arc<State>,
}

impl Anthropic {
    /// Starts on a free loopback port with a new key and the default [`Coder`].
    ///
    /// # Errors
    /// No port can be bound.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_on((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Starts on an address; port 0 selects a free one.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn start_on(address: SocketAddr) -> anyhow::Result<Self> {
        let state = Arc::new(State::new(format!("sk-ant-fake-{}", Uuid::new_v4().simple())));
        let router = Router::new()
            .route("/", get(async || StatusCode::OK))
            .route("/v1/messages", post(messages))
            .route("/v1/messages/count_tokens", post(count_tokens))
            .route("/v1/models/{id}", get(model))
            .fallback(not_found)
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .layer(map_response(add_headers))
            .with_state(Arc::clone(&state));
        let server = Server::start("fake-anthropic", listen_on(address)?, router, |error| {
            tracing::error!(%error, "a handler of the fake model API panicked");
        })?;
        Ok(Self { server, state })
    }

    /// For `ANTHROPIC_BASE_URL`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The only accepted key: as `x-api-key`, or as a bearer token.
    pub fn api_key(&self) -> &str {
        &self.state.api_key
    }

    /// Replaces the coder of the agents that no rule matches.
    pub fn set_coder(&self, coder: Coder) {
        self.state.write().coder = coder;
    }

    /// Adds a script for agents whose conversation (prompt, tool results) contains `text`. The first matching rule
    /// applies. All scripts begin by reading the checklist, so a text in the checklist matches from the second turn on.
    pub fn when_agent_reads(&self, text: impl Into<String>, script: AgentScript) {
        self.state.write().agent_rules.push(text, script);
    }

    /// Adds a script for spec requests that contain `text`; the others get [`SpecScript::FromIssue`].
    pub fn when_spec_request_contains(&self, text: impl Into<String>, script: SpecScript) {
        self.state.write().spec_rules.push(text, script);
    }

    /// Adds a script for reviews whose prompt contains `text`; the others find nothing.
    pub fn when_review_contains(&self, text: impl Into<String>, script: ReviewScript) {
        self.state.write().review_rules.push(text, script);
    }

    /// Holds the agents whose conversation contains `text` at a point of their run; the empty text matches all.
    pub fn hold(&self, text: impl Into<String>, moment: Moment) -> Gate {
        let (barrier, gate) = gate::Barrier::new(text.into(), moment);
        self.state.write().barriers.push(barrier);
        gate
    }

    /// Refuses every request with this status and message until [`Self::end_outage`]. An invalid status becomes 500.
    pub fn begin_outage(&self, status: u16, message: impl Into<String>) {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.state.write().outage = Some(Refusal::new(status, message));
    }

    /// Ends the outage.
    pub fn end_outage(&self) {
        self.state.write().outage = None;
    }

    /// Sets the minimum latency of every answer.
    pub fn set_latency(&self, latency: Duration) {
        self.state.write().latency = latency;
    }

    /// The valid requests, in order; the key in them is masked.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state.read().requests.clone()
    }

    /// The reasons for which invalid requests were refused.
    pub fn violations(&self) -> Vec<String> {
        self.state.read().violations.clone()
    }
}

/// What the real API says in each answer about itself, the account and its limits.
async fn add_headers(mut response: Response) -> Response {
    for (name, value) in [
        ("request-id", "req_011CTestKit"),
        (
            "anthropic-organization-id",
            "00000000-0000-4000-8000-000000000007",
        ),
        ("anthropic-ratelimit-requests-limit", "4000"),
        ("anthropic-ratelimit-requests-remaining", "3999"),
        ("server", "cloudflare"),
        ("cf-ray", "9a0000000000testkit"),
        ("set-cookie", "_cfuvid=testkit; HttpOnly; Secure; Path=/"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn count_tokens(
    SharedState(state): SharedState<Arc<State>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match read_request(&state, Endpoint::CountTokens, &headers, &body) {
        Ok((_request, body)) => {
            axum::Json(json!({ "input_tokens": Usage::of_request(&body).total_input() })).into_response()
        }
        Err(refusal) => refuse(&state, &Method::POST, &uri, refusal),
    }
}

/// Every model exists whose name begins as Anthropic's do.
async fn model(
    SharedState(state): SharedState<Arc<State>>,
    uri: Uri,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    if let Err(refusal) = check_credential(&headers, &state.api_key) {
        return refuse(&state, &Method::GET, &uri, refusal);
    }
    if !id.starts_with("claude-") {
        return Refusal::new(StatusCode::NOT_FOUND, format!("model: {id}")).into_response();
    }
    let model = json!({
        "type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z",
    });
    axum::Json(model).into_response()
}

async fn messages(
    SharedState(state): SharedState<Arc<State>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (request, body) = match read_request(&state, Endpoint::Messages, &headers, &body) {
        Ok(read) => read,
        Err(refusal) => return refuse(&state, &Method::POST, &uri, refusal),
    };
    let conversation = Conversation::read(&request);
    let kind = kind_of(&request);
    let session = session_of(&headers);
    state.record(RecordedRequest {
        kind,
        session: session.clone(),
        model: request.model.clone(),
        text: state.without_key(&conversation.text),
        body: state.without_key_in(&body),
    });
    let outage = state.read().outage.clone();
    if let Some(refusal) = outage {
        return refusal.into_response();
    }
    let outcome = match kind {
        RequestKind::Agent => {
            let open = state.stops_at(&conversation, session.as_deref());
            for open in open {
                gate::pass(open).await;
            }
            decide(|passed| state.agent_outcome(&conversation, passed)).await
        }
        RequestKind::Spec => {
            let text = request.texts(Role::User).collect::<Vec<_>>().join("\n");
            decide(|passed| state.spec_outcome(&text, passed)).await
        }
        RequestKind::Review => {
            let text = request.texts(Role::User).collect::<Vec<_>>().join("\n");
            decide(|passed| state.review_outcome(&text, passed)).await
        }
        RequestKind::Side => Outcome::Content(Block::Text("Work on the checklist".to_owned())),
    };
    let latency = state.read().latency;
    tokio::time::sleep(latency).await;
    respond(&state, &request, &body, outcome).await
}

/// Applies the rules in order until one gives an answer.
async fn decide(mut ask: impl FnMut(usize) -> (Outcome, usize)) -> Outcome {
    let mut passed = 0;
    loop {
        let (outcome, rule) = ask(passed);
        passed = rule + 1;
        match outcome {
            Outcome::Delay(delay) => tokio::time::sleep(delay).await,
            Outcome::Pass => {}
            decided @ (Outcome::Turn(_)
            | Outcome::Content(_)
            | Outcome::Error(_)
            | Outcome::NoAnswer
            | Outcome::Broken(_)) => return decided,
        }
    }
}

async fn respond(state: &State, request: &MessagesRequest, body: &Value, outcome: Outcome) -> Response {
    let (content, ending) = match outcome {
        Outcome::Turn(Turn::Say(words)) => (Block::Text(words), Ending::Complete),
        Outcome::Turn(Turn::Call(call)) => (state.issue(call), Ending::Complete),
        Outcome::Content(block) => (block, Ending::Complete),
        Outcome::Broken(ending) if request.stream => {
            (Block::Text("Let me read the checklist first.".to_owned()), ending)
        }
        Outcome::Error(ApiError {
            status, retry_after, ..
        }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut refusal = Refusal::new(status, "Overloaded");
            refusal.retry_after = retry_after;
            return refusal.into_response();
        }
        Outcome::NoAnswer | Outcome::Broken(_) | Outcome::Delay(_) | Outcome::Pass => {
            std::future::pending().await
        }
    };
    let answer = Answer {
        model: request.model.clone(),
        content,
        usage: Usage::of_request(body),
    };
    if request.stream {
        answer.into_events(ending)
    } else {
        answer.into_json()
    }
}

fn read_request(
    state: &State,
    endpoint: Endpoint,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(MessagesRequest, Value), Refusal> {
    check_headers(headers, &state.api_key)?;
    let body = serde_json::from_slice(body)
        .map_err(|error| Refusal::invalid(format!("the body is no JSON: {error}")))?;
    let request = check_body(endpoint, &body, headers, |id| state.was_issued(id))?;
    Ok((request, body))
}

fn kind_of(request: &MessagesRequest) -> RequestKind {
    if request.has_tool("Bash") && request.has_tool("Edit") {
        return RequestKind::Agent;
    }
    if request.has_tool(reviewer::TOOL) {
        return RequestKind::Review;
    }
    // Claude Code's side questions offer no tools, and may quote any prompt.
    let asks_for_spec = if request.tools.is_empty() {
        request.system_text().contains("SPEC.md")
    } else {
        request
            .texts(Role::User)
            .any(|text| text.contains(spec_writer::QUOTATION))
    };
    if asks_for_spec {
        RequestKind::Spec
    } else {
        RequestKind::Side
    }
}

/// The id that Claude Code gives to a run.
fn session_of(headers: &HeaderMap) -> Option<String> {
    headers
        .get("x-claude-code-session-id")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

async fn not_found(SharedState(state): SharedState<Arc<State>>, method: Method, uri: Uri) -> Response {
    refuse(
        &state,
        &method,
        &uri,
        Refusal::new(
            StatusCode::NOT_FOUND,
            format!("{method} {}: Not found", uri.path()),
        ),
    )
}

fn refuse(state: &State, method: &Method, uri: &Uri, refusal: Refusal) -> Response {
    state
        .write()
        .violations
        .push(format!("{method} {}: {}", uri.path(), refusal.message));
    refusal.into_response()
}
