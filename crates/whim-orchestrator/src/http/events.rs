//! Server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt as _};
use serde::Deserialize;
use whim_core::WorkerId;
use whim_core::protocol::events::{Event, Lagged};
use whim_service::chain::chain;

use super::error::ApiError;
use super::extract::{Id, Query};
use crate::app::App;
use crate::db;
use crate::error::Error;
use crate::events::{EventHub, NotWatched, Shown, watch};

/// Where a client that was cut off tells the last event that it got; browsers do so by themselves.
const LAST_EVENT_ID: &str = "last-event-id";

/// How long nothing may be sent: proxies and clients give up connections that stay silent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `?lastEventId=`.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EventQuery {
    /// What happened after the event of this identifier is told first. The header `Last-Event-ID` says the same and
    /// has precedence.
    last_event_id: Option<i64>,
}

/// What happens, as server-sent events, from now on or from after an event that the caller names.
#[utoipa::path(get, path = "/api/events", tag = "events", params(EventQuery, ("Last-Event-ID" = Option<i64>, Header, description = "The last event that the caller has")), responses((status = 200, description = "A stream; `event` is the kind, `data` an `Event` as JSON, `id` its place in the history", body = Event, content_type = "text/event-stream")))]
pub(super) async fn events(
    State(app): State<App>,
    Query(query): Query<EventQuery>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    stream(app, None, last_event(query, &headers)?).await
}

/// What one worker tells and becomes, in the same way.
#[utoipa::path(get, path = "/api/workers/{id}/events", tag = "events", params(("id" = WorkerId, Path, description = "The worker"), EventQuery, ("Last-Event-ID" = Option<i64>, Header, description = "The last event that the caller has")), responses((status = 200, description = "A stream; `event` is the kind, `data` an `Event` as JSON, `id` its place in the history", body = Event, content_type = "text/event-stream")))]
pub(super) async fn worker_events(
    State(app): State<App>,
    Id(id): Id<WorkerId>,
    Query(query): Query<EventQuery>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let last_event = last_event(query, &headers)?;
    db::workers::find(&app.database, id)
        .await?
        .ok_or(Error::NoSuchWorker(id))?;
    stream(app, Some(id), last_event).await
}

fn last_event(query: EventQuery, headers: &HeaderMap) -> Result<Option<i64>, ApiError> {
    match headers.get(LAST_EVENT_ID) {
        None => Ok(query.last_event_id),
        // An empty one is what browsers take for none.
        Some(id) if id.is_empty() => Ok(query.last_event_id),
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.trim().parse().ok());
            let problem = || {
                ApiError::invalid(
                    "Last-Event-ID",
                    "expected the identifier of an event, a whole number",
                )
            };
            id.map(Some).ok_or_else(problem)
        }
    }
}

async fn stream(
    app: App,
    worker: Option<WorkerId>,
    after: Option<i64>,
) -> Result<Sse<impl Stream<Item = Result<axum::response::sse::Event, Infallible>>>, ApiError> {
    let closing = app.closing.clone();
    let shown = watch(app, worker, after).await.map_err(|error| {
        if let NotWatched::Database(error) = &error {
            tracing::warn!(error = %chain(error), "the events cannot be shown");
        }
        ApiError::unavailable("the events cannot be shown at the moment; try again")
    })?;
    let events = shown
        .map(|shown| Ok(as_sent(shown)))
        // The program would wait for it otherwise.
        .take_until(closing.cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn as_sent(shown: Shown) -> axum::response::sse::Event {
    let event = axum::response::sse::Event::default();
    match shown {
        Shown::Position(id) => event.id(id.to_string()),
        Shown::Event(recorded) => event
            .id(recorded.id.to_string())
            .event(&recorded.kind)
            .data(&recorded.data),
        // Without an identifier: who asks again from the last one gets what was left out.
        Shown::Dropped(dropped_count) => lagged(event, Some(dropped_count)),
        Shown::Forgotten => lagged(event, None),
    }
}

fn lagged(event: axum::response::sse::Event, dropped_count: Option<u64>) -> axum::response::sse::Event {
    let data = serde_json::to_string(&Event::Lagged(Lagged { dropped_count })).unwrap_or_default();
    event.event("lagged").data(data)
}

/// Whatever was asked for and is no mere question may have changed something that viewers want to see.
pub(super) async fn notify_of_changes(State(hub): State<EventHub>, request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let response = next.run(request).await;
    if changes && response.status().is_success() {
        hub.notify_changed();
    }
    response
}
