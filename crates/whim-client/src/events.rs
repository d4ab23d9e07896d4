//! Live events, as streams that reconnect.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use eventsource_stream::{EventStream, Eventsource as _};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream, Stream};
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use whim_core::WorkerId;
use whim_core::protocol::events::SubscriberEvent;

use crate::http::{Call, Http};
use crate::{Client, ClientError};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A connection without data for this long is considered broken: the orchestrator sends something every 15 s.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// An event with its position in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Resumes the stream after this event; of a [`SubscriberEvent::Lagged`], after the last event before it.
    pub id: i64,
    pub event: SubscriberEvent,
}

impl Client {
    /// `GET /api/events`: the events after `after`, then live ones. The stream reconnects after failures and resumes after
    /// the last event. Kinds of events that this version does not know are skipped. It ends after an error that is not
    /// temporary.
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

    /// `GET /api/workers/:id/events`: the same for one worker.
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
    let subscription = Subscription {
        delays: delays(&http),
        http,
        path,
        after,
        connection: None,
        ended: false,
    };
    stream::unfold(subscription, |mut subscription| async move {
        let received = subscription.next().await?;
        Some((received, subscription))
    })
}

/// Without a limit: the stream resumes whenever the orchestrator is available again.
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

type Chunks = BoxStream<'static, Result<bytes::Bytes, reqwest::Error>>;

struct Subscription {
    http: Http,
    path: Vec<String>,
    after: Option<i64>,
    connection: Option<EventStream<Chunks>>,
    delays: ExponentialBackoff,
    ended: bool,
}

impl Subscription {
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
            let next = tokio::time::timeout(IDLE_TIMEOUT, connection.next()).await;
            // Also from blocks without an event: the first states where the stream begins.
            if let Ok(id) = connection.last_event_id().parse() {
                self.after = Some(id);
            }
            match next {
                Ok(Some(Ok(event))) => {
                    self.delays = delays(&self.http);
                    if SubscriberEvent::KINDS.contains(&event.event.as_str()) {
                        return Some(self.read(&event.data));
                    }
                    tracing::debug!(kind = event.event, "skipping an event of an unknown kind");
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

    async fn connect(&mut self) -> Result<EventStream<Chunks>, ClientError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(after) = self.after {
            headers.insert(LAST_EVENT_ID, HeaderValue::from(after));
        }
        let call = Call::get_path(self.path.clone());
        let response = self.http.open(&call, headers).await?;
        let chunks: Chunks = response.bytes_stream().boxed();
        Ok(chunks.eventsource())
    }

    fn read(&self, data: &str) -> Result<Received, ClientError> {
        let event = serde_json::from_str(data).map_err(|error| ClientError::Unexpected {
            status: 200,
            snippet: format!("an event cannot be decoded: {error}"),
        })?;
        Ok(Received {
            id: self.after.unwrap_or_default(),
            event,
        })
    }
}
