//! The task that reads new events and hands them to the subscribers.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use whim_core::WorkerId;
use whim_service::chain::chain;

use super::batch::Batch;
use super::subscriber::{Feed, Subscriber};
use crate::db::events;

/// Bounds what reading costs, however much workers print (docs/faults.md, row 43).
const MIN_READ_INTERVAL: Duration = Duration::from_millis(20);

/// Polling interval without a notification.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Events in one read.
const PAGE: u16 = 500;

/// Subscriptions that may wait to be accepted.
const MAX_PENDING: usize = 1024;

/// Handle to the hub of this orchestrator. Clones share it.
#[derive(Clone, Debug)]
pub struct EventHub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    changed: Notify,
    publish: Notify,
    /// Empty until [`run`] is called.
    joins: OnceLock<mpsc::Sender<Join>>,
    instance: Uuid,
}

impl Default for EventHub {
    fn default() -> Self {
        Self(Arc::new(Shared {
            changed: Notify::new(),
            publish: Notify::new(),
            joins: OnceLock::new(),
            instance: Uuid::new_v4(),
        }))
    }
}

impl EventHub {
    /// Call after a commit that may have written events. An unnecessary call costs one read.
    pub fn notify_changed(&self) {
        self.0.changed.notify_one();
        self.0.publish.notify_one();
    }

    /// The same for a commit of another orchestrator.
    pub(super) fn notify_changed_elsewhere(&self) {
        self.0.changed.notify_one();
    }

    /// Until this orchestrator may have written events.
    pub(super) async fn published(&self) {
        self.0.publish.notified().await;
    }

    /// Distinguishes this orchestrator from others.
    pub(super) fn instance(&self) -> Uuid {
        self.0.instance
    }

    /// Receives events from now on; `None` if the hub does not run or cannot read the log.
    pub(super) async fn join(&self, worker: Option<WorkerId>) -> Option<Feed> {
        let (feed, accepted) = oneshot::channel();
        let joins = self.0.joins.get()?;
        joins.send(Join { worker, feed }).await.ok()?;
        accepted.await.ok()
    }
}

/// A request for a [`Feed`].
#[derive(Debug)]
struct Join {
    /// `None` for the events of all items and workers.
    worker: Option<WorkerId>,
    /// Dropped if the log cannot be read.
    feed: oneshot::Sender<Feed>,
}

/// Serves subscriptions until `stop`. Their streams end then.
///
/// # Errors
/// It was called before for this hub.
pub async fn run(hub: EventHub, database: PgPool, stop: CancellationToken) -> anyhow::Result<()> {
    let (sender, mut joins) = mpsc::channel(MAX_PENDING);
    let EventHub(shared) = hub;
    shared
        .joins
        .set(sender)
        .map_err(|_| anyhow::anyhow!("the event hub runs already"))?;
    let mut reader = Reader {
        database,
        subscribers: Vec::new(),
        position: None,
        failing: false,
    };
    let mut poll = interval(POLL_INTERVAL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next_read = Instant::now();
    loop {
        let subscribed = !reader.subscribers.is_empty();
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(join) = joins.recv() => {
                reader.accept(join).await;
                // A notification may have been consumed by a branch that was cancelled.
                shared.changed.notify_one();
                continue;
            }
            () = async { shared.changed.notified().await; sleep_until(next_read).await }, if subscribed => {}
            _ = poll.tick(), if subscribed => {}
        }
        reader.subscribers.retain(|subscriber| !subscriber.is_closed());
        reader.read().await;
        next_read = Instant::now() + MIN_READ_INTERVAL;
    }
}

struct Reader {
    database: PgPool,
    subscribers: Vec<Subscriber>,
    /// The last event that was sent to the subscribers; `None` until there is one.
    position: Option<i64>,
    /// Whether the last read failed: an outage is logged once.
    failing: bool,
}

impl Reader {
    async fn accept(&mut self, join: Join) {
        if self.subscribers.is_empty() {
            self.position = None;
        }
        let position = match self.position {
            Some(position) => position,
            None => match events::visible_through(&self.database).await {
                Ok(position) => position,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "the event log cannot be read; refusing a subscription");
                    return;
                }
            },
        };
        let (subscriber, feed) = Subscriber::new(join.worker, position);
        if join.feed.send(feed).is_ok() {
            self.position = Some(position);
            self.subscribers.push(subscriber);
        }
    }

    fn send(&mut self, batch: &Arc<Batch>) {
        let some_follow_one_worker = self
            .subscribers
            .iter()
            .any(|subscriber| subscriber.worker().is_some());
        let by_worker = if some_follow_one_worker {
            batch.by_worker()
        } else {
            HashMap::new()
        };
        for subscriber in &mut self.subscribers {
            subscriber.send(batch, &by_worker);
        }
    }

    async fn read(&mut self) {
        match self.send_new().await {
            Ok(()) => self.failing = false,
            Err(error) if self.failing => {
                tracing::debug!(error = %chain(&error), "the event log still cannot be read");
            }
            Err(error) => {
                self.failing = true;
                tracing::warn!(error = %chain(&error), "the event log cannot be read; live events are delayed");
            }
        }
    }

    /// Sends every event that became visible. After a failure the next read continues where this one stopped.
    async fn send_new(&mut self) -> sqlx::Result<()> {
        let Some(mut position) = self.position else {
            return Ok(());
        };
        let visible_through = events::visible_through(&self.database).await?;
        while position < visible_through {
            let page = events::page(&self.database, position, visible_through, None, PAGE).await?;
            if let Some(batch) = Batch::new(page.events) {
                self.send(&batch);
            }
            position = page.through;
            self.position = Some(position);
            if page.has_more {
                // Bounds the rate, so that a subscriber that keeps up misses nothing.
                sleep(MIN_READ_INTERVAL).await;
            }
        }
        for subscriber in &mut self.subscribers {
            subscriber.flush_lag();
        }
        Ok(())
    }
}
