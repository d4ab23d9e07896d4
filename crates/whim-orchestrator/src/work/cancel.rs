//! `POST /api/work/:id/cancel`.

use whim_core::protocol::work::{CancelWork, WorkItem};
use whim_core::{WorkItemId, WorkItemStatus};

use super::item;
use crate::app::App;
use crate::db::{in_transaction, work_items};
use crate::error::Error;
use crate::lifecycle::{kill_worker_of, worker_ended};
use crate::metrics;
use crate::validate::{self, MAX_REASON_CHARACTERS};

/// Cancels an item in any live state; its worker is stopped after the commit. A cancelled item is returned unchanged.
///
/// # Errors
/// There is no such item, it completed or failed before, a field is invalid, or Postgres is unavailable.
pub async fn cancel(app: &App, id: WorkItemId, request: CancelWork) -> Result<WorkItem, Error> {
    let note = note(&request)?;
    let (cancelled, is_new, killed) = in_transaction(&app.database, async |db| {
        let item = work_items::lock(db, id).await?.ok_or(Error::NoSuchItem(id))?;
        let is_new = work_items::cancel(db, id, &note).await?;
        let mut killed = None;
        if is_new {
            killed = kill_worker_of(db, &item, &note).await?;
            tracing::info!(work_item_id = %id, note, "cancelled");
        } else if item.status != WorkItemStatus::Cancelled {
            return Err(Error::ItemState {
                now: item.status,
                asked: "cancelled",
            });
        }
        Ok((item::find(app, db, id).await?, is_new, killed))
    })
    .await?;
    if is_new {
        metrics::transition(cancelled.status);
    }
    if let Some(worker) = killed {
        worker_ended(app, worker).await;
    }
    Ok(cancelled)
}

/// Person and reason in one sentence, which is shown on the issue.
fn note(request: &CancelWork) -> Result<String, Error> {
    let CancelWork { reason, cancelled_by } = request;
    for (field, value) in [("reason", reason), ("cancelledBy", cancelled_by)] {
        if let Some(value) = value {
            validate::text(field, value, MAX_REASON_CHARACTERS)?;
        }
    }
    let mut note = "Cancelled".to_owned();
    if let Some(cancelled_by) = cancelled_by {
        note.push_str(" by ");
        note.push_str(cancelled_by.trim());
    }
    if let Some(reason) = reason {
        note.push_str(": ");
        note.push_str(reason.trim());
    }
    Ok(note)
}
