//! Validation of requests: what the real API refuses, and what a correct caller never sends.

use std::collections::HashSet;

use axum::http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::refusal::Refusal;
use super::request::{Block, Content, Message, MessagesRequest, Role};

const VERSION: &str = "2023-06-01";
const MAX_CACHE_BREAKPOINTS: usize = 4;
const MIN_THINKING_TOKENS: u64 = 1024;

/// Every parameter that is documented, betas included: a misspelt one is refused.
const PARAMETERS: &[&str] = &[
    "cache_control",
    "container",
    "context_management",
    "inference_geo",
    "max_tokens",
    "mcp_servers",
    "messages",
    "metadata",
    "model",
    "output_config",
    "output_format",
    "service_tier",
    "speed",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];

/// The requested endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Messages,
    CountTokens,
}

/// Checks the headers of a request with a body.
pub(super) fn check_headers(headers: &HeaderMap, expected: &str) -> Result<(), Refusal> {
    check_credential(headers, expected)?;
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|value| value.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(Refusal::invalid("content-type: must be application/json"));
    }
    Ok(())
}

/// Checks the credential (`x-api-key` or a bearer token, equal to `expected`) and the version.
pub(super) fn check_credential(headers: &HeaderMap, expected: &str) -> Result<(), Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer =
        text(header::AUTHORIZATION.as_str()).map(|value| value.strip_prefix("Bearer ").unwrap_or_default());
    let Some(key) = text("x-api-key").or(bearer) else {
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "x-api-key header is required",
        ));
    };
    if key != expected {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "invalid x-api-key"));
    }
    match text("anthropic-version") {
        Some(VERSION) => {}
        Some(other) => {
            return Err(Refusal::invalid(format!(
                "anthropic-version: {other:?} is not a valid version"
            )));
        }
        None => return Err(Refusal::invalid("anthropic-version: header is required")),
    }
    Ok(())
}

/// Parses and checks the body; `was_issued` returns whether this API returned a tool use.
pub(super) fn check_body(
    endpoint: Endpoint,
    body: &Value,
    headers: &HeaderMap,
    was_issued: impl Fn(&str) -> bool,
) -> Result<MessagesRequest, Refusal> {
    let parameters = body
        .as_object()
        .ok_or_else(|| Refusal::invalid("the body must be an object"))?;
    for name in parameters.keys() {
        if !PARAMETERS.contains(&name.as_str()) {
            return Err(Refusal::invalid(format!(
                "{name}: Extra inputs are not permitted"
            )));
        }
    }
    let request = MessagesRequest::deserialize_from(body)?;
    check_parameters(endpoint, &request)?;
    check_cache_breakpoints(body)?;
    let system_turns_are_known = headers.get_all("anthropic-beta").iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|betas| betas.contains("mid-conversation"))
    });
    check_turns(&request.messages, system_turns_are_known)?;
    check_tool_pairs(&request, was_issued)?;
    Ok(request)
}

impl MessagesRequest {
    fn deserialize_from(body: &Value) -> Result<Self, Refusal> {
        serde::Deserialize::deserialize(body).map_err(|error| Refusal::invalid(error.to_string()))
    }
}

fn check_parameters(endpoint: Endpoint, request: &MessagesRequest) -> Result<(), Refusal> {
    if request.model.trim().is_empty() {
        return Err(Refusal::invalid("model: String should have at least 1 character"));
    }
    match (endpoint, request.max_tokens) {
        (Endpoint::Messages, None) => return Err(Refusal::invalid("max_tokens: Field required")),
        (Endpoint::Messages, Some(0)) => {
            return Err(Refusal::invalid(
                "max_tokens: Input should be greater than or equal to 1",
            ));
        }
        (Endpoint::Messages, Some(_)) | (Endpoint::CountTokens, _) => {}
    }
    if request
        .temperature
        .is_some_and(|temperature| !(0.0..=1.0).contains(&temperature))
    {
        return Err(Refusal::invalid("temperature: must be between 0 and 1"));
    }
    if let Some(thinking) = &request.thinking {
        match (thinking.kind.as_str(), thinking.budget_tokens) {
            ("adaptive" | "disabled", _) => {}
            ("enabled", Some(budget))
                if budget >= MIN_THINKING_TOKENS
                    && request.max_tokens.is_none_or(|maximum| budget < maximum) => {}
            _ => {
                return Err(Refusal::invalid(
                    "thinking: unknown type, or a budget_tokens that cannot be",
                ));
            }
        }
    }
    let mut names = HashSet::new();
    for tool in &request.tools {
        let is_named = (1..=128).contains(&tool.name.len())
            && tool
                .name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if !is_named || !names.insert(&tool.name) {
            return Err(Refusal::invalid(format!(
                "tools: the name {:?} is not allowed, or not unique",
                tool.name
            )));
        }
        let is_custom = tool.kind.as_deref().is_none_or(|kind| kind == "custom");
        if is_custom && tool.input_schema.is_none() {
            return Err(Refusal::invalid(format!(
                "tools: {}: input_schema: Field required",
                tool.name
            )));
        }
    }
    Ok(())
}

fn check_cache_breakpoints(body: &Value) -> Result<(), Refusal> {
    let blocks_of = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let messages = blocks_of(&body["messages"])
        .into_iter()
        .flat_map(|message| blocks_of(&message["content"]));
    let breakpoints = blocks_of(&body["system"])
        .into_iter()
        .chain(blocks_of(&body["tools"]))
        .chain(messages)
        .filter(|block| !block["cache_control"].is_null())
        .count();
    if breakpoints > MAX_CACHE_BREAKPOINTS {
        return Err(Refusal::invalid(format!(
            "A maximum of {MAX_CACHE_BREAKPOINTS} blocks with cache_control may be provided. Found {breakpoints}."
        )));
    }
    Ok(())
}

fn check_turns(messages: &[Message], system_turns_are_known: bool) -> Result<(), Refusal> {
    if messages.is_empty() {
        return Err(Refusal::invalid("messages: at least one message is required"));
    }
    if !system_turns_are_known && messages.iter().any(|message| message.role == Role::System) {
        return Err(Refusal::invalid(
            "messages: use the top-level `system` parameter for the initial system prompt",
        ));
    }
    let mut turns = messages
        .iter()
        .map(|message| message.role)
        .filter(|role| *role != Role::System);
    if turns.next() != Some(Role::User) {
        return Err(Refusal::invalid(
            "messages: the first message must use the user role",
        ));
    }
    if turns.next_back() == Some(Role::Assistant) {
        return Err(Refusal::invalid(
            "messages: the conversation must end with a user message",
        ));
    }
    for (index, message) in messages.iter().enumerate() {
        let is_empty = match &message.content {
            Content::Text(text) => text.trim().is_empty(),
            Content::Blocks(blocks) => {
                blocks.is_empty()
                    || blocks
                        .iter()
                        .any(|block| matches!(block, Block::Text { text } if text.trim().is_empty()))
            }
        };
        if is_empty {
            return Err(Refusal::invalid(format!(
                "messages.{index}: text content blocks must be non-empty"
            )));
        }
    }
    Ok(())
}

/// Every tool use is answered in the next turn, and every result answers one.
fn check_tool_pairs(request: &MessagesRequest, was_issued: impl Fn(&str) -> bool) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    let mut open: HashSet<&str> = HashSet::new();
    for (index, message) in request.messages.iter().enumerate() {
        let mut requested = HashSet::new();
        for block in message.content.blocks() {
            match block {
                Block::ToolUse { id, name, .. } => {
                    if message.role != Role::Assistant {
                        return Err(Refusal::invalid(format!(
                            "messages.{index}: only the assistant uses tools"
                        )));
                    }
                    if !was_issued(id) {
                        return Err(Refusal::invalid(format!(
                            "messages.{index}: {name} ({id}) was never issued"
                        )));
                    }
                    if !seen.insert(id.as_str()) {
                        return Err(Refusal::invalid(format!(
                            "messages.{index}: `tool_use` ids must be unique: {id}"
                        )));
                    }
                    requested.insert(id.as_str());
                }
                Block::ToolResult { tool_use_id, .. } => {
                    if message.role != Role::User || !open.remove(tool_use_id.as_str()) {
                        return Err(Refusal::invalid(format!(
                            "messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {tool_use_id}. \
                             Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                        )));
                    }
                }
                Block::Text { .. } | Block::Other => {}
            }
        }
        match message.role {
            Role::Assistant => open.extend(requested),
            Role::User if !open.is_empty() => {
                return Err(Refusal::invalid(format!(
                    "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after"
                )));
            }
            Role::User | Role::System => {}
        }
    }
    if !open.is_empty() {
        return Err(Refusal::invalid(
            "messages: `tool_use` ids were found without `tool_result` blocks",
        ));
    }
    if !seen.is_empty() && request.tools.is_empty() {
        return Err(Refusal::invalid(
            "tools: requests with `tool_use` blocks must define tools",
        ));
    }
    Ok(())
}
