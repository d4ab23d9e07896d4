//! What one viewer is shown: first what was missed, then what happens.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{self, Stream};
use tokio::sync::oneshot;
use whim_core::WorkerId;
use whim_service::chain::chain;

use super::hub::{Join, Message, Seat};
use crate::app::App;
use crate::db::events::{self, StoredEvent};

/// How many events are read at once.
const PAGE: i64 = 500;

/// What a viewer is shown.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Nothing but where the stream begins: who asks again from here misses nothing.
    Position(i64),
    /// An event.
    Event(Arc<StoredEvent>),
    /// The viewer was too slow, and so many events were left out.
    Dropped(u64),
    /// Some of what was asked for is older than the history that is kept.
    Forgotten,
}

/// Nobody can watch at the moment.
#[derive(Debug, thiserror::Error)]
pub enum NotWatched {
    /// The history cannot be read.
    #[error("reading the events")]
    Database(#[from] sqlx::Error),
    /// The program is stopping, or the history cannot be read.
    #[error("nobody shows events at the moment")]
    Closed,
}

/// What happened after the event `after`, and then what happens; without `after` only the latter. Of one worker, or
/// everything. Who waits for this misses nothing that happens afterwards. The stream ends when the program stops or the
/// history cannot be read: who asks again from the last event goes on without a gap.
///
/// # Errors
/// See [`NotWatched`].
pub async fn watch(
    app: App,
    worker: Option<WorkerId>,
    after: Option<i64>,
) -> Result<impl Stream<Item = Shown>, NotWatched> {
    let mut viewer = Viewer {
        app,
        worker,
        position: 0,
        forgotten: 0,
        ready: VecDeque::new(),
        seat: None,
    };
    match after {
        Some(after) => {
            viewer.position = after;
            viewer.catch_up().await?;
        }
        None => {
            let seat = viewer.take_seat().await?;
            viewer.position = seat.position;
            viewer.ready.push_back(Shown::Position(seat.position));
            viewer.seat = Some(seat);
        }
    }
    Ok(stream::unfold(viewer, |mut viewer| async move {
        let shown = viewer.next().await?;
        Some((shown, viewer))
    }))
}

struct Viewer {
    app: App,
    worker: Option<WorkerId>,
    /// The last event that is shown or ready.
    position: i64,
    /// Up to where the viewer knows that events are gone.
    forgotten: i64,
    ready: VecDeque<Shown>,
    /// `None` as long as there is much to catch up with: then a page is read whenever the one before was taken.
    seat: Option<Seat>,
}

impl Viewer {
    async fn next(&mut self) -> Option<Shown> {
        loop {
            if let Some(shown) = self.ready.pop_front() {
                return Some(shown);
            }
            let Some(seat) = &mut self.seat else {
                if let Err(error) = self.catch_up().await {
                    tracing::warn!(error = %chain(&error), "a viewer of events has to come again");
                    return None;
                }
                continue;
            };
            match seat.messages.recv().await? {
                Message::Event(event) if event.id <= self.position => {}
                Message::Event(event) => {
                    self.position = event.id;
                    return Some(Shown::Event(event));
                }
                Message::Dropped(count) => return Some(Shown::Dropped(count)),
            }
        }
    }

    /// Reads a page of what was missed. Takes a seat after the last page, and reads what came before that.
    async fn catch_up(&mut self) -> Result<(), NotWatched> {
        let horizon = events::horizon(&self.app.database).await?;
        // An identifier of a database that was restored, say.
        self.position = self.position.min(horizon);
        if self.read_page(horizon).await? {
            return Ok(());
        }
        let seat = self.take_seat().await?;
        if self.read_page(seat.position).await? {
            // Much has happened in between: not yet.
            return Ok(());
        }
        self.seat = Some(seat);
        Ok(())
    }

    /// Whether there may be more.
    async fn read_page(&mut self, up_to: i64) -> Result<bool, NotWatched> {
        let page = events::between(&self.app.database, self.position, up_to, self.worker, PAGE).await?;
        let forgotten = events::forgotten(&self.app.database).await?;
        if forgotten > self.position.max(self.forgotten) {
            self.forgotten = forgotten;
            self.ready.push_back(Shown::Forgotten);
        }
        let more = page.len() == usize::try_from(PAGE).unwrap_or(usize::MAX);
        let last = page.last().map(|event: &StoredEvent| event.id);
        self.position = match last {
            Some(last) if more => last,
            Some(_) | None => self.position.max(up_to),
        };
        self.ready
            .extend(page.into_iter().map(|event| Shown::Event(Arc::new(event))));
        Ok(more)
    }

    async fn take_seat(&self) -> Result<Seat, NotWatched> {
        let (seat, given) = oneshot::channel();
        let join = Join {
            worker: self.worker,
            seat,
        };
        let joins = self.app.events.0.joins.get().ok_or(NotWatched::Closed)?;
        joins.send(join).await.map_err(|_| NotWatched::Closed)?;
        given.await.map_err(|_| NotWatched::Closed)
    }
}
