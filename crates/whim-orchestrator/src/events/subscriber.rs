//! The buffer of a subscription, and what a slow subscriber receives.

use std::sync::Arc;

use tokio::sync::mpsc;
use whim_core::WorkerId;

use crate::db::events::StoredEvent;

/// Events buffered for a slow subscriber before further ones are dropped.
const BUFFER: usize = 1000;

/// The live events of one subscription.
#[derive(Debug)]
pub(super) struct Feed {
    /// Every event after this one is in `messages`.
    pub(super) position: i64,
    /// Closed when the hub stops.
    pub(super) messages: mpsc::Receiver<Message>,
}

#[derive(Clone, Debug)]
pub(super) enum Message {
    Event(Arc<StoredEvent>),
    /// This number of events was dropped here.
    Dropped(u64),
}

/// The hub's end of a [`Feed`].
#[derive(Debug)]
pub(super) struct Subscriber {
    worker: Option<WorkerId>,
    messages: mpsc::Sender<Message>,
    dropped_count: u64,
}

impl Subscriber {
    /// A subscriber of the events after `position`, of one worker or of all, and its [`Feed`].
    pub(super) fn new(worker: Option<WorkerId>, position: i64) -> (Self, Feed) {
        Self::with_buffer(worker, position, BUFFER)
    }

    fn with_buffer(worker: Option<WorkerId>, position: i64, buffer: usize) -> (Self, Feed) {
        let (sender, messages) = mpsc::channel(buffer);
        let subscriber = Self {
            worker,
            messages: sender,
            dropped_count: 0,
        };
        (subscriber, Feed { position, messages })
    }

    /// Whether the subscription was dropped.
    pub(super) fn is_closed(&self) -> bool {
        self.messages.is_closed()
    }

    /// Never waits: if the buffer is full, the event is dropped.
    pub(super) fn send(&mut self, event: &Arc<StoredEvent>) {
        if self.worker.is_some() && self.worker != event.event.worker_id() {
            return;
        }
        self.flush_lag();
        if self.dropped_count > 0 || self.messages.try_send(Message::Event(Arc::clone(event))).is_err() {
            self.dropped_count += 1;
        }
    }

    /// Reports dropped events once the buffer has room.
    pub(super) fn flush_lag(&mut self) {
        let report = Message::Dropped(self.dropped_count);
        if self.dropped_count > 0 && self.messages.try_send(report).is_ok() {
            self.dropped_count = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use whim_core::WorkItemId;
    use whim_core::protocol::events::{SubscriberEvent, WorkerEvent, WorkerEventBody, WorkerEventRecord};

    use super::*;

    fn event(id: i64) -> Arc<StoredEvent> {
        let body = WorkerEventBody::Notice {
            message: String::new(),
        };
        Arc::new(StoredEvent {
            id,
            event: SubscriberEvent::WorkerEvent(WorkerEventRecord {
                worker_id: WorkerId::new(),
                work_item_id: WorkItemId::new(),
                event: WorkerEvent {
                    occurred_at: chrono::Utc::now(),
                    body,
                },
            }),
        })
    }

    #[test]
    fn a_slow_subscriber_receives_the_number_of_dropped_events_in_their_place() {
        let (mut subscriber, mut feed) = Subscriber::with_buffer(None, 0, 2);
        for id in 1..=5 {
            subscriber.send(&event(id));
        }
        let mut seen = Vec::new();
        let mut read = |count: usize| {
            for _ in 0..count {
                seen.push(match feed.messages.try_recv() {
                    Ok(Message::Event(event)) => format!("event {}", event.id),
                    Ok(Message::Dropped(count)) => format!("{count} dropped"),
                    Err(_) => "nothing".to_owned(),
                });
            }
        };
        read(2);
        subscriber.send(&event(6));
        read(2);
        subscriber.flush_lag();
        read(1);
        assert_eq!(seen, ["event 1", "event 2", "3 dropped", "event 6", "nothing"]);
    }

    #[test]
    fn a_subscriber_of_one_worker_receives_no_events_of_others() {
        let (mut subscriber, mut feed) = Subscriber::with_buffer(Some(WorkerId::new()), 0, 2);
        subscriber.send(&event(1));
        assert!(feed.messages.try_recv().is_err());
    }
}
