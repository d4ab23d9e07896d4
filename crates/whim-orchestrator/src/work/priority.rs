//! `PUT /api/work/:id/priority`.

use whim_core::protocol::work::WorkItem;
use whim_core::{Priority, WorkItemId};

use super::item;
use crate::app::App;
use crate::db::{in_transaction, work_items};
use crate::error::Error;

/// Changes the priority of an item in any live state; returns the item unchanged if it has that priority already.
///
/// # Errors
/// There is no such item, it has ended, or Postgres is unavailable.
pub async fn set_priority(app: &App, id: WorkItemId, priority: Priority) -> Result<WorkItem, Error> {
    in_transaction(&app.database, async |db| {
        let locked = work_items::lock(db, id).await?.ok_or(Error::NoSuchItem(id))?;
        let item = item::find(app, &mut *db, id).await?;
        if locked.status.is_terminal() {
            return Err(Error::ItemState {
                now: locked.status,
                asked: "reprioritized",
            });
        }
        if item.priority == priority {
            return Ok(item);
        }
        work_items::set_priority(db, id, priority).await?;
        let (before, after) = (item.priority.as_str(), priority.as_str());
        tracing::info!(work_item_id = %id, before, after, "priority changed");
        item::find(app, db, id).await
    })
    .await
}
