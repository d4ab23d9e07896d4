//! Server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt as _};
use serde::Deserialize;
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
) -> Result<impl IntoResponse, ApiError> {
    stream(app, None, last_event_id(query, &headers)?).await
}

/// Streams the events of one worker.
#[utoipa::path(get, path = "/api/workers/{id}/events", tag = "events", params(("id" = WorkerId, Path, description = "The worker"), EventQuery, ("Last-Event-ID" = Option<i64>, Header, description = "The last event that the client received")), responses((status = 200, description = "A stream. `event` is the kind, `data` a `SubscriberEvent` as JSON, `id` its position in the log", body = SubscriberEvent, content_type = "text/event-stream")))]
pub(super) async fn worker_events(
    State(app): State<App>,
    Id(id): Id<WorkerId>,
    Query(query): Query<EventQuery>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
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

async fn stream(
    app: App,
    worker: Option<WorkerId>,
    after: Option<i64>,
) -> Result<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>, ApiError> {
    let closing = app.closing.clone();
    let subscribed = subscribe(app.events.clone(), app.database.clone(), worker, after).await;
    let items = subscribed.map_err(|error| {
        if let SubscribeError::Database(error) = &error {
            tracing::warn!(error = %chain(error), "a subscription of events failed");
        }
        ApiError::unavailable("events are unavailable at the moment; try again")
    })?;
    let events = items
        .filter_map(async |item| sse_event(item).map(Ok))
        // A graceful stop would wait for the stream otherwise.
        .take_until(closing.cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn sse_event(item: StreamItem) -> Option<SseEvent> {
    let event = SseEvent::default();
    match item {
        StreamItem::Position(id) => Some(event.id(id.to_string())),
        StreamItem::Event(stored) => with_data(event.id(stored.id.to_string()), &stored.event),
        // Without an identifier: a client that resumes from the last one receives what was dropped.
        StreamItem::Dropped(count) => lagged(event, Some(count)),
        StreamItem::Pruned => lagged(event, None),
    }
}

fn lagged(event: SseEvent, dropped_count: Option<u64>) -> Option<SseEvent> {
    with_data(event, &SubscriberEvent::Lagged(Lagged { dropped_count }))
}

fn with_data(event: SseEvent, data: &SubscriberEvent) -> Option<SseEvent> {
    match event.event(data.kind()).json_data(data) {
        Ok(event) => Some(event),
        Err(error) => {
            tracing::error!(error = %chain(&error), "skipping an event that cannot be written as JSON");
            None
        }
    }
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
