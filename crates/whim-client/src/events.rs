//! Live events, as streams that go on when the connection was lost.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use eventsource_stream::{EventStream, Eventsource as _};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream, Stream};
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use whim_core::WorkerId;
use whim_core::protocol::events::{EVENT_KINDS, Event};

use crate::http::{Call, Http};
use crate::{Client, ClientError};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The orchestrator sends something every 15 s at the least; a connection that is silent for so long is none.
const SILENCE: Duration = Duration::from_secs(60);

/// An event, with its place in the history.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// What to name to go on after it; of a notice that events were left out, the last one before.
    pub id: i64,
    /// What happened.
    pub event: Event,
}

impl Client {
    /// `GET /api/events`: what happens, and before that what happened after the event `after`. The stream connects anew
    /// as often as it has to and goes on after the last event; kinds of events that this version does not know are
    /// passed over. It ends after an error that does not pass by itself.
    pub fn events(
        &self,
        after: Option<i64>,
    ) -> impl Stream<Item = Result<Received, ClientError>> + Send + use<> {
        received(
            self.http.clone(),
            vec!["api".to_owned(), "events".to_owned()],
            after,
        )
    }

    /// `GET /api/workers/:id/events`: the same of one worker.
    pub fn worker_events(
        &self,
        id: WorkerId,
        after: Option<i64>,
    ) -> impl Stream<Item = Result<Received, ClientError>> + Send + use<> {
        let path = ["api", "workers", &id.to_string(), "events"].map(str::to_owned);
        received(self.http.clone(), path.into(), after)
    }
}

fn received(
    http: Http,
    path: Vec<String>,
    after: Option<i64>,
) -> impl Stream<Item = Result<Received, ClientError>> + Send + use<> {
    let watch = Watch {
        delays: delays(&http),
        http,
        path,
        after,
        connection: None,
        ended: false,
    };
    stream::unfold(watch, |mut watch| async move {
        let received = watch.next().await?;
        Some((received, watch))
    })
}

/// Without an end: whoever watches wants to see it when the orchestrator is back.
fn delays(http: &Http) -> ExponentialBackoff {
    let timing = http.timing();
    ExponentialBuilder::new()
        .with_min_delay(timing.first_delay)
        .with_max_delay(timing.longest_delay)
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}

type Pieces = BoxStream<'static, Result<bytes::Bytes, reqwest::Error>>;

struct Watch {
    http: Http,
    path: Vec<String>,
    after: Option<i64>,
    connection: Option<EventStream<Pieces>>,
    delays: ExponentialBackoff,
    ended: bool,
}

impl Watch {
    async fn next(&mut self) -> Option<Result<Received, ClientError>> {
        while !self.ended {
            let Some(connection) = &mut self.connection else {
                match self.connect().await {
                    Ok(connection) => self.connection = Some(connection),
                    Err(error) if error.is_temporary() => self.pause().await,
                    Err(error) => {
                        self.ended = true;
                        return Some(Err(error));
                    }
                }
                continue;
            };
            let next = tokio::time::timeout(SILENCE, connection.next()).await;
            // Also of blocks that are no event: the first says where the stream begins.
            if let Ok(id) = connection.last_event_id().parse() {
                self.after = Some(id);
            }
            match next {
                Ok(Some(Ok(event))) => {
                    self.delays = delays(&self.http);
                    if EVENT_KINDS.contains(&event.event.as_str()) {
                        return Some(self.read(&event.data));
                    }
                    tracing::debug!(kind = event.event, "an event of an unknown kind is passed over");
                }
                Ok(Some(Err(_)) | None) | Err(_) => {
                    self.connection = None;
                    self.pause().await;
                }
            }
        }
        None
    }

    async fn pause(&mut self) {
        if let Some(delay) = self.delays.next() {
            tokio::time::sleep(delay).await;
        }
    }

    async fn connect(&mut self) -> Result<EventStream<Pieces>, ClientError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(after) = self.after {
            headers.insert(LAST_EVENT_ID, HeaderValue::from(after));
        }
        let call = Call::get_path(self.path.clone());
        let response = self.http.open(&call, headers).await?;
        let pieces: Pieces = response.bytes_stream().boxed();
        Ok(pieces.eventsource())
    }

    fn read(&self, data: &str) -> Result<Received, ClientError> {
        let event = serde_json::from_str(data).map_err(|error| ClientError::Unexpected {
            status: 200,
            snippet: format!("an event is not what it should be: {error}"),
        })?;
        Ok(Received {
            id: self.after.unwrap_or_default(),
            event,
        })
    }
}
