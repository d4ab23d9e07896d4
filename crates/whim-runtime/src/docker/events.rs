//! The events of the engine, as a stream of workers that ended.

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

use super::inner::Inner;
use crate::runtime::AttemptState;

/// Between tries to listen again: the items of the workers that an engine took down wait for it.
const AGAIN: ExponentialBuilder = backoff::exponential(Duration::from_millis(200), Duration::from_secs(2));

/// Events are asked for from so long before the last one that was seen: the engine's clock has full seconds.
const OVERLAP_SECONDS: i64 = 2;

/// Tells of workers whose container ended. A connection that ends, for whatever reason, is made again from where it
/// ended, and what happened in between is looked for in the list (`FAULTS.md`, rows 7 and 8).
pub(super) fn exits(inner: Arc<Inner>) -> BoxStream<'static, WorkerId> {
    let state = Watch {
        inner,
        events: None,
        since: Utc::now().timestamp(),
        delays: Box::new(AGAIN.build()),
        found: VecDeque::new(),
        told: BTreeSet::new(),
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
    /// The time of the last event, by the engine's clock.
    since: i64,
    delays: Box<dyn Iterator<Item = Duration> + Send + Sync>,
    /// Workers that were found in the list.
    found: VecDeque<WorkerId>,
    /// Those that were told of and are still listed.
    told: BTreeSet<WorkerId>,
}

impl Watch {
    async fn next(&mut self) -> WorkerId {
        loop {
            if let Some(worker) = self.found.pop_front() {
                return worker;
            }
            let Some(events) = &mut self.events else {
                if let Err(error) = self.listen().await {
                    self.inner.cache(|cache| cache.outage.refused(Utc::now()));
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "the container engine tells nothing at the moment"
                    );
                    self.pause().await;
                }
                continue;
            };
            match events.next().await {
                Some(Ok(event)) => {
                    self.delays = Box::new(AGAIN.build());
                    if let Some(worker) = self.read(event) {
                        return worker;
                    }
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "the events of the container engine broke off");
                    self.broke_off().await;
                }
                None => {
                    // Proxies end what is silent for some minutes.
                    tracing::debug!("the events of the container engine ended; listening again");
                    self.broke_off().await;
                }
            }
        }
    }

    async fn broke_off(&mut self) {
        self.events = None;
        self.inner.cache(|cache| cache.outage.begin(Utc::now()));
        self.pause().await;
    }

    async fn pause(&mut self) {
        // The series is endless.
        sleep(self.delays.next().unwrap_or_default()).await;
    }

    /// Listens from the last event on, and looks at what there is.
    async fn listen(&mut self) -> anyhow::Result<()> {
        let docker = self.inner.engine.connected().await?;
        let mut filters: HashMap<String, Vec<String>> =
            whim_containers::of_instance(&self.inner.instance.name);
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
        self.found.extend(ended.difference(&self.told));
        self.told = ended;
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
            tracing::warn!(worker_id = %worker, "something in the worker's container ran out of memory");
            return None;
        }
        self.told.insert(worker);
        Some(worker)
    }
}
