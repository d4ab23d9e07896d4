//! The one task that reads what is new and hands it to the viewers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use whim_core::WorkerId;
use whim_service::chain::chain;

use crate::app::App;
use crate::db::events::{self, StoredEvent};

/// How often is looked at the most: however much workers print, this bounds what it costs (`FAULTS.md`, row 43).
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(20);

/// How often is looked without being told.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(1);

/// How many events are read at once.
const PAGE: i64 = 500;

/// How many events wait for a slow viewer before others are left out.
const BUFFER: usize = 1000;

/// How many viewers may wait for their seats.
const MOST_WAITING: usize = 1024;

/// A viewer who wants a seat.
#[derive(Debug)]
pub(super) struct Join {
    /// Whose events; `None` for all.
    pub(super) worker: Option<WorkerId>,
    /// Dropped without an answer when the history cannot be read.
    pub(super) seat: oneshot::Sender<Seat>,
}

/// What a viewer sees from now on.
#[derive(Debug)]
pub(super) struct Seat {
    /// The last event before.
    pub(super) position: i64,
    /// Everything after; closed when the hub stops.
    pub(super) messages: mpsc::Receiver<Message>,
}

#[derive(Clone, Debug)]
pub(super) enum Message {
    Event(Arc<StoredEvent>),
    /// So many events were left out here.
    Dropped(u64),
}

/// The hub's end of a seat.
#[derive(Debug)]
struct Viewer {
    worker: Option<WorkerId>,
    messages: mpsc::Sender<Message>,
    dropped_count: u64,
}

impl Viewer {
    /// Hands over an event, or leaves it out when the viewer is too slow: nobody waits for a viewer.
    fn show(&mut self, event: &Arc<StoredEvent>) {
        if self.worker.is_some() && self.worker != event.worker_id {
            return;
        }
        self.flush_lag();
        if self.dropped_count > 0 || self.messages.try_send(Message::Event(Arc::clone(event))).is_err() {
            self.dropped_count += 1;
        }
    }

    /// Tells what was left out, once there is room for that.
    fn flush_lag(&mut self) {
        if self.dropped_count > 0
            && self
                .messages
                .try_send(Message::Dropped(self.dropped_count))
                .is_ok()
        {
            self.dropped_count = 0;
        }
    }
}

/// Shows what happens to those who watch, until `stop`; their streams end with it.
///
/// # Errors
/// It was called before for this `app`.
pub async fn run(app: App, stop: CancellationToken) -> anyhow::Result<()> {
    let (sender, mut joins) = mpsc::channel(MOST_WAITING);
    let hub = &app.events.0;
    hub.joins
        .set(sender)
        .map_err(|_| anyhow::anyhow!("viewers come together already"))?;
    let mut house = House {
        app: app.clone(),
        viewers: Vec::new(),
        position: None,
        in_trouble: false,
    };
    let mut ticks = interval(LOOK_AT_LEAST_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rested_at = Instant::now();
    loop {
        let watched = !house.viewers.is_empty();
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(join) = joins.recv() => {
                house.seat(join).await;
                // A notice may have been taken and not been followed.
                hub.look.notify_one();
                continue;
            }
            () = async { hub.look.notified().await; sleep_until(rested_at).await }, if watched => {}
            _ = ticks.tick(), if watched => {}
        }
        house.viewers.retain(|viewer| !viewer.messages.is_closed());
        house.look().await;
        rested_at = Instant::now() + LOOK_AT_MOST_EVERY;
    }
}

struct House {
    app: App,
    viewers: Vec<Viewer>,
    /// Up to where all viewers were shown; `None` while there are none.
    position: Option<i64>,
    /// Whether the last look failed: a trouble is logged once.
    in_trouble: bool,
}

impl House {
    async fn seat(&mut self, join: Join) {
        if self.viewers.is_empty() {
            self.position = None;
        }
        let position = match self.position {
            Some(position) => position,
            None => match events::horizon(&self.app.work_database).await {
                Ok(horizon) => horizon,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "the events cannot be read");
                    return;
                }
            },
        };
        let (messages, receiver) = mpsc::channel(BUFFER);
        let seat = Seat {
            position,
            messages: receiver,
        };
        if join.seat.send(seat).is_ok() {
            self.position = Some(position);
            self.viewers.push(Viewer {
                worker: join.worker,
                messages,
                dropped_count: 0,
            });
        }
    }

    async fn look(&mut self) {
        match self.show_news().await {
            Ok(()) => self.in_trouble = false,
            Err(error) if self.in_trouble => {
                tracing::debug!(error = %chain(&error), "the events still cannot be read");
            }
            Err(error) => {
                self.in_trouble = true;
                tracing::warn!(error = %chain(&error), "the events cannot be read; viewers see them later");
            }
        }
    }

    /// Shows everything up to the horizon. Nothing is lost when it fails on the way: the next look goes on.
    async fn show_news(&mut self) -> sqlx::Result<()> {
        let Some(mut position) = self.position else {
            return Ok(());
        };
        let database = &self.app.work_database;
        let horizon = events::horizon(database).await?;
        while position < horizon {
            let page = events::between(database, position, horizon, None, PAGE).await?;
            let more = page.len() == usize::try_from(PAGE).unwrap_or(usize::MAX);
            position = match page.last() {
                Some(event) if more => event.id,
                Some(_) | None => horizon,
            };
            for event in page.into_iter().map(Arc::new) {
                for viewer in &mut self.viewers {
                    viewer.show(&event);
                }
            }
            self.position = Some(position);
            if more {
                // However much there is, it comes no faster than this: a viewer that keeps up misses nothing.
                sleep(LOOK_AT_MOST_EVERY).await;
            }
        }
        for viewer in &mut self.viewers {
            viewer.flush_lag();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: i64) -> Arc<StoredEvent> {
        Arc::new(StoredEvent {
            id,
            kind: "item",
            worker_id: None,
            data: "{}".to_owned(),
        })
    }

    #[test]
    fn a_slow_viewer_is_told_how_much_was_left_out_at_its_place() {
        let (messages, mut received) = mpsc::channel(2);
        let mut viewer = Viewer {
            worker: None,
            messages,
            dropped_count: 0,
        };
        for id in 1..=5 {
            viewer.show(&event(id));
        }
        let mut shown = Vec::new();
        let mut read = |count: usize| {
            for _ in 0..count {
                shown.push(match received.try_recv() {
                    Ok(Message::Event(event)) => format!("event {}", event.id),
                    Ok(Message::Dropped(count)) => format!("{count} left out"),
                    Err(_) => "nothing".to_owned(),
                });
            }
        };
        read(2);
        viewer.show(&event(6));
        read(2);
        viewer.flush_lag();
        read(1);
        assert_eq!(shown, ["event 1", "event 2", "3 left out", "event 6", "nothing"]);
    }

    #[test]
    fn a_viewer_of_one_worker_sees_nothing_of_others() {
        let (messages, mut received) = mpsc::channel(2);
        let mut viewer = Viewer {
            worker: Some(WorkerId::new()),
            messages,
            dropped_count: 0,
        };
        viewer.show(&event(1));
        assert!(received.try_recv().is_err());
    }
}
