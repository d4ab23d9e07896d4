//! The exits of workers, from the events of the engine.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use chrono::Utc;
use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::time::sleep;
use whim_core::WorkerId;
use whim_service::backoff::{self, BackoffBuilder as _, ExponentialBuilder};
use whim_service::repeated_failure::RepeatedFailure;

use super::inner::Inner;
use crate::runtime::AttemptState;

/// Delays between attempts to subscribe. Short, because the workers that the engine ended are replaced only then.
const RECONNECT: ExponentialBuilder =
    backoff::exponential(Duration::from_millis(200), Duration::from_secs(2));

/// Events are requested from this long before the last one: the engine's timestamps have full seconds.
const OVERLAP_SECONDS: i64 = 2;

/// Yields workers whose container has ended. A subscription that ends is renewed from the last event on, and the list of
/// containers shows what ended in between (`docs/faults.md`, rows 7 and 8).
pub(super) fn exits(inner: Arc<Inner>) -> BoxStream<'static, WorkerId> {
    let state = Watch {
        inner,
        events: None,
        since: Utc::now().timestamp(),
        delays: Box::new(RECONNECT.build()),
        found: VecDeque::new(),
        reported: BTreeSet::new(),
        failures: RepeatedFailure::default(),
    };
    stream::unfold(state, |mut watch| async move {
        let worker = watch.next().await;
        Some((worker, watch))
    })
    .boxed()
}

struct Watch {
    inner: Arc<Inner>,
    events: Option<BoxStream<'static, Result<EventMessage, Error>>>,
    /// The time of the last event, by the engine's clock, in seconds.
    since: i64,
    delays: Box<dyn Iterator<Item = Duration> + Send + Sync>,
    /// Exits found in the list of containers.
    found: VecDeque<WorkerId>,
    /// Reported exits whose containers are still listed.
    reported: BTreeSet<WorkerId>,
    /// Failed attempts to subscribe.
    failures: RepeatedFailure,
}

impl Watch {
    async fn next(&mut self) -> WorkerId {
        loop {
            if let Some(worker) = self.found.pop_front() {
                return worker;
            }
            let Some(events) = &mut self.events else {
                if let Err(error) = self.subscribe().await {
                    self.inner.cache(|cache| cache.outage.confirm(Utc::now()));
                    self.log_failure(&error);
                    self.pause().await;
                }
                continue;
            };
            match events.next().await {
                Some(Ok(event)) => {
                    self.delays = Box::new(RECONNECT.build());
                    if let Some(worker) = self.read(event) {
                        return worker;
                    }
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "the event stream of the container engine failed");
                    self.unsubscribe().await;
                }
                None => {
                    // Proxies close idle connections after some minutes.
                    tracing::debug!("the event stream of the container engine ended; subscribing again");
                    self.unsubscribe().await;
                }
            }
        }
    }

    async fn unsubscribe(&mut self) {
        self.events = None;
        self.inner.cache(|cache| cache.outage.suspect(Utc::now()));
        self.pause().await;
    }

    async fn pause(&mut self) {
        // The sequence is infinite.
        sleep(self.delays.next().unwrap_or_default()).await;
    }

    fn log_failure(&mut self, error: &anyhow::Error) {
        let error = format!("{error:#}");
        if let Some(failures) = self.failures.failed(&error) {
            tracing::warn!(error, failures, "no events from the container engine");
        }
    }

    /// Subscribes from the last event on, and lists the containers that have ended.
    async fn subscribe(&mut self) -> anyhow::Result<()> {
        let docker = self.inner.engine.connected().await?;
        let mut filters: HashMap<String, Vec<String>> =
            whim_containers::instance_filter(&self.inner.instance.name);
        filters.insert("type".to_owned(), vec!["container".to_owned()]);
        filters.insert("event".to_owned(), vec!["die".to_owned(), "oom".to_owned()]);
        let options = EventsOptionsBuilder::new()
            .since(&(self.since - OVERLAP_SECONDS).to_string())
            .filters(&filters)
            .build();
        let events = docker.clone().events(Some(options)).boxed();
        let mut ended = BTreeSet::new();
        for attempt in self.inner.list().await? {
            if let AttemptState::Ended(_) = attempt.state {
                ended.insert(attempt.worker_id);
            }
        }
        self.inner.record_answer();
        if let Some(failures) = self.failures.succeeded() {
            tracing::info!(failures, "the container engine is available again");
        }
        self.found.extend(ended.difference(&self.reported));
        self.reported = ended;
        self.events = Some(events);
        Ok(())
    }

    fn read(&mut self, event: EventMessage) -> Option<WorkerId> {
        self.since = event.time.unwrap_or(self.since).max(self.since);
        let actor = event.actor?;
        let worker = whim_containers::worker_of(&actor.attributes?)?;
        if event.action.as_deref() == Some("oom") {
            if let Some(id) = actor.id {
                self.inner.cache(|cache| cache.out_of_memory.insert(id));
            }
            tracing::warn!(worker_id = %worker, "a process in the worker's container ran out of memory");
            return None;
        }
        self.reported.insert(worker);
        Some(worker)
    }
}
