//! The buffer of a subscription, and what a slow subscriber receives.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use whim_core::WorkerId;

use super::batch::Batch;

/// Events buffered for a slow subscriber before further ones are dropped. Subscribers share the batches that they have not
/// read yet.
const BUFFER: usize = 10_000;

/// The live events of one subscription.
#[derive(Debug)]
pub(super) struct Feed {
    /// Every event after this one is in `messages`.
    pub(super) position: i64,
    /// Closed when the hub stops.
    messages: mpsc::UnboundedReceiver<Message>,
    buffered: Arc<AtomicUsize>,
}

#[derive(Clone, Debug)]
pub(super) enum Message {
    Events(Arc<Batch>),
    /// This number of events was dropped here.
    Dropped(u64),
}

impl Feed {
    /// `None` when the hub has stopped.
    pub(super) async fn next(&mut self) -> Option<Message> {
        let message = self.messages.recv().await?;
        if let Message::Events(batch) = &message {
            self.buffered.fetch_sub(batch.len(), Ordering::Relaxed);
        }
        Some(message)
    }
}

/// The hub's end of a [`Feed`].
#[derive(Debug)]
pub(super) struct Subscriber {
    worker: Option<WorkerId>,
    /// Bounded by `buffered`: a channel would count batches, which differ in length.
    messages: mpsc::UnboundedSender<Message>,
    buffered: Arc<AtomicUsize>,
    dropped_count: u64,
}

impl Subscriber {
    /// A subscriber of the events after `position`, of one worker or of all, and its [`Feed`].
    pub(super) fn new(worker: Option<WorkerId>, position: i64) -> (Self, Feed) {
        let (sender, messages) = mpsc::unbounded_channel();
        let buffered = Arc::new(AtomicUsize::new(0));
        let subscriber = Self {
            worker,
            messages: sender,
            buffered: Arc::clone(&buffered),
            dropped_count: 0,
        };
        let feed = Feed {
            position,
            messages,
            buffered,
        };
        (subscriber, feed)
    }

    /// Whether the subscription was dropped.
    pub(super) fn is_closed(&self) -> bool {
        self.messages.is_closed()
    }

    pub(super) fn worker(&self) -> Option<WorkerId> {
        self.worker
    }

    /// Sends the events of its worker, or all. Never waits: if the buffer is full, they are dropped.
    pub(super) fn send(&mut self, all: &Arc<Batch>, by_worker: &HashMap<WorkerId, Arc<Batch>>) {
        let batch = match self.worker {
            None => all,
            Some(worker) => match by_worker.get(&worker) {
                Some(batch) => batch,
                None => return,
            },
        };
        self.flush_lag();
        if self.dropped_count > 0 || self.is_full() {
            self.dropped_count += batch.len() as u64;
        } else {
            self.buffered.fetch_add(batch.len(), Ordering::Relaxed);
            // A closed subscription is removed before the next read.
            let _closed = self.messages.send(Message::Events(Arc::clone(batch)));
        }
    }

    /// Reports dropped events once the buffer has room.
    pub(super) fn flush_lag(&mut self) {
        if self.dropped_count > 0 && !self.is_full() {
            let _closed = self.messages.send(Message::Dropped(self.dropped_count));
            self.dropped_count = 0;
        }
    }

    fn is_full(&self) -> bool {
        self.buffered.load(Ordering::Relaxed) >= BUFFER
    }
}

#[cfg(test)]
mod tests {
    use whim_core::WorkItemId;
    use whim_core::protocol::events::{SubscriberEvent, WorkerEvent, WorkerEventBody, WorkerEventRecord};

    use super::*;
    use crate::db::events::StoredEvent;

    fn batch(worker: WorkerId, ids: std::ops::Range<i64>) -> Arc<Batch> {
        let body = WorkerEventBody::Notice {
            message: String::new(),
        };
        let event = SubscriberEvent::WorkerEvent(WorkerEventRecord {
            worker_id: worker,
            work_item_id: WorkItemId::new(),
            event: WorkerEvent {
                occurred_at: chrono::Utc::now(),
                body,
            },
        });
        let stored = |id| StoredEvent {
            id,
            event: event.clone(),
        };
        Batch::new(ids.map(stored).collect()).unwrap()
    }

    async fn read(feed: &mut Feed) -> String {
        match feed.next().await {
            Some(Message::Events(batch)) => format!("{} through {}", batch.len(), batch.last_id().unwrap()),
            Some(Message::Dropped(count)) => format!("{count} dropped"),
            None => "end".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_slow_subscriber_receives_the_number_of_dropped_events_in_their_place() {
        let (mut subscriber, mut feed) = Subscriber::new(None, 0);
        let full = i64::try_from(BUFFER).unwrap();
        for ids in [1..full, full..full + 2, full + 2..full + 5, full + 5..full + 6] {
            subscriber.send(&batch(WorkerId::new(), ids), &HashMap::new());
        }

        let mut seen = vec![read(&mut feed).await];
        subscriber.send(&batch(WorkerId::new(), full + 6..full + 8), &HashMap::new());
        for _ in 0..3 {
            seen.push(read(&mut feed).await);
        }
        drop(subscriber);
        seen.push(read(&mut feed).await);

        let expected = [
            format!("{} through {}", full - 1, full - 1),
            format!("2 through {}", full + 1),
            "4 dropped".to_owned(),
            format!("2 through {}", full + 7),
            "end".to_owned(),
        ];
        assert_eq!(seen, expected);
    }

    #[tokio::test]
    async fn a_subscriber_of_one_worker_receives_no_events_of_others() {
        let (mine, other) = (WorkerId::new(), WorkerId::new());
        let (mut subscriber, mut feed) = Subscriber::new(Some(mine), 0);
        for (worker, ids) in [(other, 1..3), (mine, 3..4)] {
            let batch = batch(worker, ids);
            subscriber.send(&batch, &batch.by_worker());
        }
        assert_eq!(read(&mut feed).await, "1 through 3");
    }
}
