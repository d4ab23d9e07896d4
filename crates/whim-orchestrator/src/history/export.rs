//! Everything about an item in one archive: a tar archive, compressed with zstd, written while it is read.

mod archive;
mod patch;

use std::io;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt as _};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use whim_core::protocol::events::SubscriberEvent;
use whim_core::protocol::reviews::ReviewFilter;
use whim_core::protocol::timeline::TimelineAttempt;
use whim_core::protocol::work::WorkItem;
use whim_core::{LeaseEpoch, WorkItemId};
use whim_service::chain::chain;

use self::archive::Archive;
use super::{diff, timeline, transcript};
use crate::app::App;
use crate::db::events::{self, Page};
use crate::db::{notes, reviews};
use crate::error::Error;
use crate::work;

/// Chunks that wait for a slow reader.
const BUFFERED_CHUNKS: usize = 4;
const ATTEMPTS_PER_PAGE: i64 = 50;
const REVIEWS_PER_PAGE: i64 = 200;
const EVENTS_PER_FILE: u16 = 500;
const ENTRIES_PER_FILE: usize = 1000;

/// The archive of an item. The stream ends with an error if it is not complete.
///
/// # Errors
/// The item does not exist, or Postgres is unavailable.
pub async fn export(
    app: App,
    id: WorkItemId,
) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static, Error> {
    let item = work::find(&app, &app.database, id).await?;
    let (sender, chunks) = mpsc::channel(BUFFERED_CHUNKS);
    let writing = async move {
        let written = match Archive::new(sender) {
            Ok(archive) => write(&app, &item, archive).await,
            Err(error) => Err(error.into()),
        };
        match written {
            // The reader is gone, and would not receive an error.
            Ok(()) | Err(Failure::Write(_)) => None,
            Err(error @ Failure::Read(_)) => {
                tracing::warn!(work_item_id = %id, error = %chain(&error), "an export ended before it was complete");
                Some(Err(io::Error::other(
                    "the export could not be completed; try again",
                )))
            }
        }
    };
    // Without a task of its own, it ends with the response.
    let failed = stream::once(writing).filter_map(std::future::ready);
    Ok(stream::select(ReceiverStream::new(chunks).map(Ok), failed))
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("reading the history of the item")]
    Read(#[from] Error),
    #[error("writing the archive")]
    Write(#[from] io::Error),
}

async fn write(app: &App, item: &WorkItem, mut archive: Archive) -> Result<(), Failure> {
    archive.json("item.json", item).await?;
    let texts = [("spec.md", &item.spec), ("description.md", &item.description)];
    for (name, text) in texts {
        if let Some(text) = text {
            archive.file(name, text.as_bytes()).await?;
        }
    }
    let attempts = attempts(app, item.id).await?;
    archive.json("timeline.json", &attempts).await?;
    write_reviews(app, item.id, &mut archive).await?;
    let notes = notes::of_item(&app.database, item.id, i64::MAX).await;
    archive.json("notes.json", &notes.map_err(Error::from)?).await?;
    let diff = diff(app, item.id).await?;
    archive.json("diff.json", &diff).await?;
    archive.file("diff.patch", patch::text(&diff).as_bytes()).await?;
    write_item_events(app, item.id, &mut archive).await?;
    // Oldest first.
    for attempt in attempts.iter().rev() {
        write_events(app, attempt, &mut archive).await?;
        write_transcript(app, item.id, attempt.lease_epoch, &mut archive).await?;
    }
    Ok(archive.finish().await?)
}

async fn attempts(app: &App, item: WorkItemId) -> Result<Vec<TimelineAttempt>, Error> {
    let mut attempts: Vec<TimelineAttempt> = Vec::new();
    loop {
        let cursor = attempts.last().map(|attempt| attempt.lease_epoch);
        let page = timeline(app, item, cursor, ATTEMPTS_PER_PAGE).await?;
        if page.is_empty() {
            return Ok(attempts);
        }
        attempts.extend(page);
    }
}

async fn write_reviews(app: &App, item: WorkItemId, archive: &mut Archive) -> Result<(), Failure> {
    let mut filter = ReviewFilter {
        work_item_id: Some(item),
        ..ReviewFilter::default()
    };
    let mut whole = Vec::new();
    loop {
        let page = reviews::page(&app.database, &filter, REVIEWS_PER_PAGE)
            .await
            .map_err(Error::from)?;
        let Some(last) = page.last() else { break };
        filter.cursor = Some(last.id);
        for review in &page {
            let found = reviews::find(&app.database, review.id)
                .await
                .map_err(Error::from)?;
            whole.extend(found);
        }
    }
    Ok(archive.json("reviews.json", &whole).await?)
}

async fn write_item_events(app: &App, item: WorkItemId, archive: &mut Archive) -> Result<(), Failure> {
    let mut position = 0;
    for number in 1.. {
        let page = events::item_page(&app.database, position, item, EVENTS_PER_FILE).await;
        let page = page.map_err(Error::from)?;
        let (has_more, through) = (page.has_more, page.through);
        archive
            .lines(&format!("events/item/{number:06}.jsonl"), stored(page))
            .await?;
        if !has_more {
            break;
        }
        position = through;
    }
    Ok(())
}

async fn write_events(app: &App, attempt: &TimelineAttempt, archive: &mut Archive) -> Result<(), Failure> {
    let (worker, epoch) = (Some(attempt.worker_id), attempt.lease_epoch);
    let mut position = 0;
    for number in 1.. {
        let page = events::page(&app.database, position, i64::MAX, worker, EVENTS_PER_FILE).await;
        let page = page.map_err(Error::from)?;
        let (has_more, through) = (page.has_more, page.through);
        let name = format!("events/attempt-{epoch}/{number:06}.jsonl");
        archive.lines(&name, stored(page)).await?;
        if !has_more {
            break;
        }
        position = through;
    }
    Ok(())
}

/// An event with its position in the log.
#[derive(Serialize)]
struct ExportedEvent {
    id: i64,
    #[serde(flatten)]
    event: SubscriberEvent,
}

fn stored(page: Page) -> impl Iterator<Item = ExportedEvent> {
    page.events.into_iter().map(|stored| ExportedEvent {
        id: stored.id,
        event: stored.event,
    })
}

async fn write_transcript(
    app: &App,
    item: WorkItemId,
    attempt: LeaseEpoch,
    archive: &mut Archive,
) -> Result<(), Failure> {
    let mut after = Some(0);
    let mut number = 0;
    while let Some(position) = after {
        let page = transcript(app, item, Some(attempt), position, ENTRIES_PER_FILE).await?;
        after = page.next;
        number += 1;
        let name = format!("transcript/attempt-{attempt}/{number:06}.jsonl");
        archive.lines(&name, page.entries).await?;
    }
    Ok(())
}
