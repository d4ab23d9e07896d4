//! Inserts the submissions of many callers in one statement.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use whim_core::WorkItemId;

use crate::app::App;
use crate::batch_writer::{Queued, WriteBatch};
use crate::db::work_items::{self, NewItem};

/// Largest batch.
const BATCH_SIZE: usize = 64;

/// Items with longer texts are inserted alone, which bounds the size of a batch.
const MAX_TEXT_BYTES: usize = 32 * 1024;

/// Waits until the item was inserted in a batch; returns the time of its insert. `None` when it was not: inserting it
/// alone shows the reason.
pub(super) async fn submit_in_batch(app: &App, item: &Arc<NewItem>) -> Option<DateTime<Utc>> {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    if length(&item.spec) + length(&item.description) > MAX_TEXT_BYTES {
        return None;
    }
    app.submissions.write(Arc::clone(item)).await
}

/// Writes batches until `stop`, and then what is queued.
///
/// # Errors
/// It was called before for this `app`.
pub async fn run(app: App, stop: CancellationToken) -> anyhow::Result<()> {
    // The pool of the API would plan the statement for each batch.
    let pool = &app.work_database;
    app.submissions.run(&app, pool, BATCH_SIZE, &stop).await
}

impl WriteBatch<Arc<NewItem>, DateTime<Utc>> for App {
    async fn write_batch(
        &self,
        db: &mut PgConnection,
        batch: &mut Vec<Queued<Arc<NewItem>, DateTime<Utc>>>,
    ) -> sqlx::Result<()> {
        let items: Vec<&NewItem> = batch.iter().map(|queued| queued.request.as_ref()).collect();
        let inserted = work_items::insert_batch(db, &items).await?;
        let inserted: HashMap<WorkItemId, DateTime<Utc>> = inserted
            .into_iter()
            .map(|item| (item.id, item.created_at))
            .collect();
        for Queued { request, written } in batch.drain(..) {
            let created_at = inserted.get(&request.id).copied();
            // The caller then owns the item alone and does not have to copy it.
            drop(request);
            if let Some(created_at) = created_at {
                // The caller may have disconnected.
                let _disconnected = written.send(created_at);
            }
        }
        Ok(())
    }
}
