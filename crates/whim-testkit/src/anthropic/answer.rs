//! An answer of the model, as one JSON body or as server-sent events.

use std::io;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt as _, stream};
use serde_json::{Value, json};
use uuid::Uuid;

/// Bytes of a text or of a tool's input in one event.
const CHUNK: usize = 48;
/// A rule of thumb for English; the counts only have to be plausible.
const BYTES_PER_TOKEN: usize = 4;

#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) model: String,
    pub(super) content: Block,
    pub(super) usage: Usage,
}

#[derive(Debug, Clone)]
pub(super) enum Block {
    Text(String),
    /// The model declines, with a reason.
    Refusal(String),
    ToolUse {
        id: String,
        name: &'static str,
        input: Value,
    },
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    pub(super) input: usize,
    pub(super) cache_creation: usize,
    pub(super) cache_read: usize,
}

/// How an event stream breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Complete,
    /// The connection stays open, and nothing more is sent.
    Silence,
    /// The connection is closed.
    Cut,
}

impl Usage {
    /// The usage of a request whose body is `body`: with caching, all but the last message is cached.
    pub(super) fn of_request(body: &Value) -> Self {
        let tokens = |value: &Value| value.to_string().len() / BYTES_PER_TOKEN + 1;
        let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let last = messages.last().map_or(0, tokens);
        let rest = tokens(body).saturating_sub(last);
        if !body.to_string().contains("cache_control") {
            return Self {
                input: rest + last,
                cache_creation: 0,
                cache_read: 0,
            };
        }
        if messages.iter().any(|message| message["role"] == "assistant") {
            Self {
                input: last,
                cache_creation: 0,
                cache_read: rest,
            }
        } else {
            Self {
                input: last,
                cache_creation: rest,
                cache_read: 0,
            }
        }
    }

    pub(super) fn total_input(self) -> usize {
        self.input + self.cache_creation + self.cache_read
    }

    fn to_json(self, output: usize) -> Value {
        json!({
            "input_tokens": self.input,
            "cache_creation_input_tokens": self.cache_creation,
            "cache_read_input_tokens": self.cache_read,
            "output_tokens": output,
        })
    }
}

impl Answer {
    fn payload(&self) -> String {
        match &self.content {
            Block::Text(text) | Block::Refusal(text) => text.clone(),
            Block::ToolUse { input, .. } => input.to_string(),
        }
    }

    fn output_tokens(&self) -> usize {
        self.payload().len() / BYTES_PER_TOKEN + 1
    }

    fn stop_reason(&self) -> &'static str {
        match self.content {
            Block::Text(_) => "end_turn",
            Block::Refusal(_) => "refusal",
            Block::ToolUse { .. } => "tool_use",
        }
    }

    /// A message with `content`; its id is new each time, because Claude Code merges turns that share one.
    fn message(&self, content: Value, stop_reason: Value, output: usize) -> Value {
        json!({
            "id": format!("msg_{}", Uuid::new_v4().simple()),
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": null,
            "usage": self.usage.to_json(output),
        })
    }

    pub(super) fn into_json(self) -> Response {
        let content = match &self.content {
            Block::Text(text) | Block::Refusal(text) => json!({ "type": "text", "text": text }),
            Block::ToolUse { id, name, input } => {
                json!({ "type": "tool_use", "id": id, "name": name, "input": input })
            }
        };
        let stop_reason = self.stop_reason().into();
        Json(self.message(json!([content]), stop_reason, self.output_tokens())).into_response()
    }

    pub(super) fn into_events(self, ending: Ending) -> Response {
        let mut events = self.events();
        if ending != Ending::Complete {
            // After the start of a content block.
            events.truncate(events.len() / 2);
        }
        let body = stream::iter(events).map(|event| Ok::<_, io::Error>(render(&event)));
        let body = body.chain(ending_stream(ending));
        let headers = [
            (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        (headers, Body::from_stream(body)).into_response()
    }

    fn events(&self) -> Vec<Value> {
        let start = match &self.content {
            Block::Text(_) | Block::Refusal(_) => json!({ "type": "text", "text": "" }),
            Block::ToolUse { id, name, .. } => {
                json!({ "type": "tool_use", "id": id, "name": name, "input": {} })
            }
        };
        let delta = |piece: &str| match &self.content {
            Block::Text(_) | Block::Refusal(_) => json!({ "type": "text_delta", "text": piece }),
            Block::ToolUse { .. } => json!({ "type": "input_json_delta", "partial_json": piece }),
        };
        let mut events = vec![
            json!({ "type": "message_start", "message": self.message(json!([]), Value::Null, 1) }),
            json!({ "type": "content_block_start", "index": 0, "content_block": start }),
            json!({ "type": "ping" }),
        ];
        let payload = self.payload();
        for piece in pieces(&payload) {
            events.push(json!({ "type": "content_block_delta", "index": 0, "delta": delta(piece) }));
        }
        events.push(json!({ "type": "content_block_stop", "index": 0 }));
        events.push(json!({
            "type": "message_delta",
            "delta": { "stop_reason": self.stop_reason(), "stop_sequence": null },
            "usage": { "output_tokens": self.output_tokens() },
        }));
        events.push(json!({ "type": "message_stop" }));
        events
    }
}

fn ending_stream(ending: Ending) -> impl Stream<Item = io::Result<Bytes>> {
    match ending {
        Ending::Complete => stream::empty().boxed(),
        Ending::Silence => stream::pending().boxed(),
        Ending::Cut => stream::once(async {
            // What was written so far goes out when the body has nothing to give for a moment.
            tokio::task::yield_now().await;
            Err(io::Error::from(io::ErrorKind::ConnectionReset))
        })
        .boxed(),
    }
}

fn render(event: &Value) -> Bytes {
    let name = event["type"].as_str().unwrap_or_default();
    Bytes::from(format!("event: {name}\ndata: {event}\n\n"))
}

/// Cuts a text into pieces of about [`CHUNK`] bytes, on character boundaries.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(rest.ceil_char_boundary(CHUNK));
        rest = after;
        Some(piece)
    })
}
