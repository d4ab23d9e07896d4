//! One subscription: first the events that were missed, then live ones.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{self, Stream};
use sqlx::PgPool;
use whim_core::WorkerId;
use whim_service::chain::chain;

use super::batch::Batch;
use super::hub::EventHub;
use super::subscriber::{Feed, Message};
use crate::db::events;

/// Events in one read.
const PAGE: u16 = 500;

#[derive(Clone, Debug)]
pub enum StreamItem {
    /// Where the stream begins: a client that resumes from this identifier misses nothing.
    Position(i64),
    Events(Arc<Batch>),
    /// The subscriber read too slowly, and this number of events was dropped.
    Dropped(u64),
    /// Some of the requested events are older than the retention.
    Pruned,
}

#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    #[error("reading the event log")]
    Database(#[from] sqlx::Error),
    #[error("the event hub is not running or cannot read the event log")]
    Closed,
}

/// The events after the event `after`, followed by live ones; without `after` only live ones. With `worker`, only those
/// of that worker. Once this has returned, no later event is missed. The stream ends when the program stops or the log
/// cannot be read; a client that resumes from its last event misses nothing.
///
/// # Errors
/// See [`SubscribeError`].
pub async fn subscribe(
    hub: EventHub,
    database: PgPool,
    worker: Option<WorkerId>,
    after: Option<i64>,
) -> Result<impl Stream<Item = StreamItem>, SubscribeError> {
    let mut subscription = Subscription {
        hub,
        database,
        worker,
        position: 0,
        pruned_through: 0,
        ready: VecDeque::new(),
        feed: None,
    };
    match after {
        Some(after) => {
            subscription.position = after;
            subscription.catch_up().await?;
        }
        None => {
            let feed = subscription.join().await?;
            subscription.position = feed.position;
            subscription.ready.push_back(StreamItem::Position(feed.position));
            subscription.feed = Some(feed);
        }
    }
    Ok(stream::unfold(subscription, |mut subscription| async move {
        let item = subscription.next().await?;
        Some((item, subscription))
    }))
}

struct Subscription {
    hub: EventHub,
    database: PgPool,
    worker: Option<WorkerId>,
    /// The last event that was returned or is ready.
    position: i64,
    /// The highest identifier that was reported as pruned.
    pruned_through: i64,
    ready: VecDeque<StreamItem>,
    /// `None` while there are pages to catch up with: the next one is read once the previous one was consumed.
    feed: Option<Feed>,
}

impl Subscription {
    async fn next(&mut self) -> Option<StreamItem> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            let Some(feed) = &mut self.feed else {
                if let Err(error) = self.catch_up().await {
                    tracing::warn!(error = %chain(&error), "ending a subscription; the client has to reconnect");
                    return None;
                }
                continue;
            };
            match feed.next().await? {
                Message::Events(batch) => {
                    if let Some(batch) = batch.after(self.position) {
                        self.position = batch.last_id().unwrap_or(self.position);
                        return Some(StreamItem::Events(batch));
                    }
                }
                Message::Dropped(count) => return Some(StreamItem::Dropped(count)),
            }
        }
    }

    /// Reads one page of missed events. After the last page joins the hub, and reads what came in between.
    async fn catch_up(&mut self) -> Result<(), SubscribeError> {
        let visible_through = events::visible_through(&self.database).await?;
        // The identifier may come from another database, for instance from before a restore.
        self.position = self.position.min(visible_through);
        if self.read_page(visible_through).await? {
            return Ok(());
        }
        let feed = self.join().await?;
        if !self.read_page(feed.position).await? {
            self.feed = Some(feed);
        }
        Ok(())
    }

    /// Whether there may be more.
    async fn read_page(&mut self, through: i64) -> Result<bool, SubscribeError> {
        let page = events::page(&self.database, self.position, through, self.worker, PAGE).await?;
        let pruned_through = events::pruned_through(&self.database).await?;
        if pruned_through > self.position.max(self.pruned_through) {
            self.pruned_through = pruned_through;
            self.ready.push_back(StreamItem::Pruned);
        }
        self.position = page.through;
        self.ready.extend(Batch::new(page.events).map(StreamItem::Events));
        Ok(page.has_more)
    }

    async fn join(&self) -> Result<Feed, SubscribeError> {
        self.hub.join(self.worker).await.ok_or(SubscribeError::Closed)
    }
}
