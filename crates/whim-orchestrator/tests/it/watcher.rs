//! A subscriber of live events.
#![expect(clippy::unwrap_used, reason = "a test whose world breaks has failed")]

use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use whim_core::protocol::events::SubscriberEvent;

use crate::app::{PATIENCE, TestApp};
use crate::document::assert_event_documented;

/// One server-sent event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    /// `None` without an identifier.
    pub(crate) id: Option<i64>,
    /// Empty for a block that only states where the stream begins.
    pub(crate) kind: String,
    pub(crate) data: Value,
}

/// A connected subscriber.
pub(crate) struct Watcher {
    response: Response,
    unread: Vec<u8>,
}

impl Watcher {
    /// Connects, and returns when the response has started: later events are not missed.
    pub(crate) async fn connect(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            unread: Vec::new(),
        }
    }

    /// Live events of all items and workers.
    pub(crate) async fn of_all(app: &TestApp) -> Self {
        Self::connect(app.api(reqwest::Method::GET, "/api/events")).await
    }

    /// Resumes after an event, like a browser that reconnects.
    pub(crate) async fn after(app: &TestApp, id: i64) -> Self {
        let request = app.api(reqwest::Method::GET, "/api/events");
        Self::connect(request.header("Last-Event-ID", id)).await
    }

    /// The next block; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Sent> {
        loop {
            let end = self.unread.windows(2).position(|two| two == b"\n\n");
            let Some(end) = end else {
                let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
                let chunk = chunk.unwrap().unwrap()?;
                self.unread.extend_from_slice(&chunk);
                continue;
            };
            let block: Vec<u8> = self.unread.drain(..end + 2).collect();
            if let Some(sent) = parse(std::str::from_utf8(&block).unwrap()) {
                return Some(sent);
            }
        }
    }

    /// The next event of this kind.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Sent {
        loop {
            let sent = self.next().await.unwrap();
            if sent.kind == kind {
                return sent;
            }
        }
    }

    /// All events up to and including the first that matches `last`.
    pub(crate) async fn until(&mut self, last: impl Fn(&Sent) -> bool) -> Vec<Sent> {
        let mut all = Vec::new();
        loop {
            let sent = self.next().await.unwrap();
            all.push(sent.clone());
            if last(&sent) {
                return all;
            }
        }
    }
}

/// `None` for a comment.
fn parse(block: &str) -> Option<Sent> {
    let mut sent = Sent {
        id: None,
        kind: String::new(),
        data: Value::Null,
    };
    let mut is_comment = true;
    for line in block.lines().filter(|line| !line.is_empty()) {
        let (field, value) = line.split_once(':').unwrap();
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => continue,
            "id" => sent.id = Some(value.parse().unwrap()),
            "event" => value.clone_into(&mut sent.kind),
            "data" => {
                assert_event_documented(value);
                sent.data = serde_json::from_str(value).unwrap();
            }
            other => panic!("{other}: {value}"),
        }
        is_comment = false;
    }
    if !sent.kind.is_empty() {
        // Clients decode it into the same type.
        let event: SubscriberEvent = serde_json::from_value(sent.data.clone()).unwrap();
        assert_eq!(serde_json::to_value(event).unwrap()["kind"], sent.kind);
    }
    (!is_comment).then_some(sent)
}
