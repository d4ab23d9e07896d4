//! `POST /api/work/:id/cancel`.

use whim_core::protocol::work::{CancelWork, WorkItem};
use whim_core::{WorkItemId, WorkItemStatus};

use crate::app::App;
use crate::db::{in_transaction, work_items};
use crate::error::Error;
use crate::lifecycle::end_attempt;
use crate::metrics;
use crate::validate::{self, MAX_NOTE_CHARACTERS};

/// Cancels an item in any live state; its worker is stopped after the rows say so. One that is cancelled already is
/// the answer as it is.
///
/// # Errors
/// There is no such item, it completed or failed before, a field is wrong, or Postgres is away.
pub async fn cancel(app: &App, id: WorkItemId, request: CancelWork) -> Result<WorkItem, Error> {
    let note = note(&request)?;
    let (cancelled, now, killed) = in_transaction(&app.database, async |db| {
        let item = work_items::lock(db, id).await?.ok_or(Error::NoSuchItem(id))?;
        let (mut now, mut killed) = (false, None);
        if work_items::cancel(db, id, &note).await? {
            now = true;
            killed = end_attempt::kill_worker_of(db, &item, &note).await?;
            tracing::info!(work_item_id = %id, note, "cancelled");
        } else if item.status != WorkItemStatus::Cancelled {
            return Err(Error::ItemState {
                now: item.status,
                asked: "cancelled",
            });
        }
        Ok((super::find(app, db, id).await?, now, killed))
    })
    .await?;
    if now {
        metrics::transition(cancelled.status);
    }
    if let Some(worker) = killed {
        end_attempt::after_commit(app, worker).await;
    }
    Ok(cancelled)
}

/// Who and why, in one sentence that a person reads on the issue.
fn note(request: &CancelWork) -> Result<String, Error> {
    let CancelWork { reason, cancelled_by } = request;
    for (field, value) in [("reason", reason), ("cancelledBy", cancelled_by)] {
        if let Some(value) = value {
            validate::text(field, value, MAX_NOTE_CHARACTERS)?;
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
