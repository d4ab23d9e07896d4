//! Workers that are ended on a person's request.

use sqlx::PgConnection;
use whim_core::protocol::workers::Worker;
use whim_core::{FailureCause, WorkItemStatus, WorkerId, WorkerStatus};

use super::end_attempt::{Transition, end_attempt};
use super::next_attempt::{AttemptEnd, EndedBy};
use crate::app::App;
use crate::db::work_items;
use crate::db::workers::{self, End};
use crate::error::Error;

/// Ends a worker on a person's request; its item is retried like after a crash. A worker that was killed before is
/// returned unchanged.
///
/// # Errors
/// There is no such worker, it ended in another way before, or Postgres is unavailable.
pub async fn kill(app: &App, id: WorkerId) -> Result<Worker, Error> {
    let end = AttemptEnd {
        cause: FailureCause::Killed,
        reason: "The worker was killed by a person.".to_owned(),
        retry_after: None,
        by: EndedBy::Person,
    };
    let transition = end_attempt(app, id, &end).await?;
    let worker = workers::find(&app.database, id)
        .await?
        .ok_or(Error::NoSuchWorker(id))?;
    match transition {
        Transition::Done(_) => Ok(worker),
        Transition::Late { .. } | Transition::Gone if worker.status == WorkerStatus::Killed => Ok(worker),
        Transition::Late { .. } | Transition::Gone => Err(Error::WorkerState {
            now: worker.status,
            asked: "be killed",
        }),
    }
}

/// Ends the worker of an item that was just cancelled; `item` is as it was before. Returns the worker that was ended.
pub(crate) async fn kill_worker_of(
    db: &mut PgConnection,
    item: &work_items::Locked,
    note: &str,
) -> Result<Option<WorkerId>, Error> {
    let claimed = matches!(item.status, WorkItemStatus::Assigned | WorkItemStatus::InProgress);
    let Some(worker) = item.worker_id.filter(|_| claimed) else {
        return Ok(None);
    };
    let end = End {
        status: WorkerStatus::Killed,
        cause: None,
        error: Some(note),
        tests: None,
        final_response: None,
        stop_requested: true,
        stopped: false,
    };
    let ended = workers::end(db, worker, item.lease_epoch, &end).await?;
    Ok(ended.then_some(worker))
}
