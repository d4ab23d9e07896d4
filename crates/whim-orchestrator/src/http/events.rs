//! Server-sent events.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use serde::Deserialize;
use tokio::time::{Instant, interval_at};
use whim_core::WorkerId;
use whim_core::protocol::events::{Lagged, SubscriberEvent};
use whim_service::chain::chain;

use super::error::ApiError;
use super::extract::{Id, Query};
use crate::app::App;
use crate::db;
use crate::error::Error;
use crate::events::{EventHub, StreamItem, SubscribeError, subscribe};

/// Browsers send it when they reconnect.
const LAST_EVENT_ID: &str = "last-event-id";

/// Proxies and clients close connections that stay silent for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// Capacity that is reserved per event.
const TYPICAL_EVENT_BYTES: usize = 320;

#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EventQuery {
    /// The last event that the client received; the stream starts after it. The header `Last-Event-ID` takes precedence.
    last_event_id: Option<i64>,
}

/// Streams events as server-sent events, from now on or from after a given event.
///
/// Clients resume after a disconnect with the `Last-Event-ID` header.
#[utoipa::path(get, path = "/api/events", tag = "events", params(EventQuery, ("Last-Event-ID" = Option<i64>, Header, description = "The last event that the client received")), responses((status = 200, description = "A stream. `event` is the kind, `data` a `SubscriberEvent` as JSON, `id` its position in the log", body = SubscriberEvent, content_type = "text/event-stream")))]
pub(super) async fn events(
    State(app): State<App>,
    Query(query): Query<EventQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    stream(app, None, last_event_id(query, &headers)?).await
}

/// Streams the events of one worker.
#[utoipa::path(get, path = "/api/workers/{id}/events", tag = "events", params(("id" = WorkerId, Path, description = "The worker"), EventQuery, ("Last-Event-ID" = Option<i64>, Header, description = "The last event that the client received")), responses((status = 200, description = "A stream. `event` is the kind, `data` a `SubscriberEvent` as JSON, `id` its position in the log", body = SubscriberEvent, content_type = "text/event-stream")))]
pub(super) async fn worker_events(
    State(app): State<App>,
    Id(id): Id<WorkerId>,
    Query(query): Query<EventQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let last_event_id = last_event_id(query, &headers)?;
    db::workers::find(&app.database, id)
        .await?
        .ok_or(Error::NoSuchWorker(id))?;
    stream(app, Some(id), last_event_id).await
}

fn last_event_id(query: EventQuery, headers: &HeaderMap) -> Result<Option<i64>, ApiError> {
    // Browsers send an empty header for none.
    let header = headers.get(LAST_EVENT_ID).filter(|header| !header.is_empty());
    let Some(header) = header else {
        return Ok(query.last_event_id);
    };
    let text = String::from_utf8_lossy(header.as_bytes());
    text.trim().parse().map(Some).map_err(|_| {
        let problem = format!(
            "was {:?}; expected the identifier of an event, an integer",
            text.trim()
        );
        ApiError::invalid("Last-Event-ID", problem)
    })
}

async fn stream(app: App, worker: Option<WorkerId>, after: Option<i64>) -> Result<Response, ApiError> {
    let closing = app.closing.clone();
    let subscribed = subscribe(app.events.clone(), app.database.clone(), worker, after).await;
    let items = subscribed.map_err(|error| {
        if let SubscribeError::Database(error) = &error {
            tracing::warn!(error = %chain(error), "a subscription of events failed");
        }
        ApiError::unavailable("events are unavailable at the moment; try again")
    })?;
    let silence = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    let chunks = tokio_stream::StreamExt::timeout_repeating(items.map(|item| server_sent(&item)), silence)
        .map(|chunk| Ok::<_, Infallible>(chunk.unwrap_or(KEEP_ALIVE_COMMENT)))
        // A graceful stop would wait for the stream otherwise.
        .take_until(closing.cancelled_owned());
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// In the format of server-sent events. Written here and not by axum: a batch is encoded once for all subscribers.
fn server_sent(item: &StreamItem) -> Bytes {
    match item {
        StreamItem::Position(id) => format!("id: {id}\n\n").into(),
        StreamItem::Events(batch) => batch.encoded(|events| {
            let mut text = String::with_capacity(events.len() * TYPICAL_EVENT_BYTES);
            for stored in events {
                write_event(&mut text, Some(stored.id), &stored.event);
            }
            text.into()
        }),
        // Without an identifier: a client that resumes from the last one receives what was dropped.
        StreamItem::Dropped(count) => lagged(Some(*count)),
        StreamItem::Pruned => lagged(None),
    }
}

fn lagged(dropped_count: Option<u64>) -> Bytes {
    let mut text = String::new();
    write_event(
        &mut text,
        None,
        &SubscriberEvent::Lagged(Lagged { dropped_count }),
    );
    text.into()
}

fn write_event(text: &mut String, id: Option<i64>, event: &SubscriberEvent) {
    // JSON has no line breaks outside of strings, and escapes them inside.
    let data = match serde_json::to_string(event) {
        Ok(data) => data,
        Err(error) => {
            tracing::error!(error = %chain(&error), "skipping an event that cannot be written as JSON");
            return;
        }
    };
    let kind = event.kind();
    // Writing to a string cannot fail.
    let _written = match id {
        Some(id) => write!(text, "id: {id}\nevent: {kind}\ndata: {data}\n\n"),
        None => write!(text, "event: {kind}\ndata: {data}\n\n"),
    };
}

/// Every successful request that is not a read may have written events.
pub(super) async fn notify_of_changes(State(hub): State<EventHub>, request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let response = next.run(request).await;
    if changes && response.status().is_success() {
        hub.notify_changed();
    }
    response
}
