//! `POST /api/worker/register`.

use sqlx::PgConnection;
use whim_core::WorkerStatus;
use whim_core::protocol::worker::{Assignment, Register, Registered};

use super::{Attempt, Caller};
use crate::app::App;
use crate::db::{work_items, workers};
use crate::error::Error;

const MAX_NONCE_BYTES: usize = 64;

/// A process begins to work as a worker and gets to know all that it has to. The same process again gets the same
/// answer; another one is refused, so that two processes never are one worker (`FAULTS.md`, row 21).
///
/// # Errors
/// Another process registered, the item was taken away, the nonce is wrong, or Postgres is away.
pub async fn register(app: &App, caller: &Caller, request: Register) -> Result<Registered, Error> {
    let Register { worker_id, nonce } = request;
    let printable = nonce.bytes().all(|byte| byte.is_ascii_graphic());
    if nonce.is_empty() || nonce.len() > MAX_NONCE_BYTES || !printable {
        return Err(Error::invalid(
            "nonce",
            "expected 1 to 64 printable ASCII characters",
        ));
    }
    let lease = app.config.lifecycle.stale_threshold;
    let mut transaction = app.work_database.begin().await?;
    let Some(attempt) = Attempt::lock(&mut transaction, worker_id).await? else {
        return Err(Error::NoSuchWorker(worker_id));
    };
    if !attempt.has_item() {
        return Err(attempt.lease_lost());
    }
    match &attempt.worker.nonce {
        Some(known) if *known != nonce => return Err(Error::AlreadyRegistered(worker_id)),
        Some(_) => {}
        None => {
            let epoch = attempt.worker.lease_epoch;
            let changed = workers::register(&mut transaction, worker_id, epoch, &nonce, lease).await?
                && work_items::assign_to_running(&mut transaction, attempt.item.id, epoch).await?;
            if !changed {
                return Err(attempt.lease_lost());
            }
        }
    }
    let work_item = assignment(&mut transaction, &attempt).await?;
    transaction.commit().await?;
    if attempt.worker.status == WorkerStatus::Starting {
        let (work_item_id, attempt) = (work_item.id, work_item.attempt);
        tracing::info!(%worker_id, %work_item_id, attempt, "registered");
    }
    Ok(Registered {
        worker_id,
        work_item,
        lease_seconds: super::whole_seconds(lease),
        max_iterations: caller.max_iterations,
    })
}

/// The item, as its worker needs it.
async fn assignment(db: &mut PgConnection, attempt: &Attempt) -> Result<Assignment, Error> {
    let Attempt { item, worker } = attempt;
    let number = workers::attempt_number(&mut *db, item.id, worker.lease_epoch).await?;
    let task = work_items::task(db, item.id)
        .await?
        .ok_or(Error::NoSuchItem(item.id))?;
    Ok(Assignment {
        id: item.id,
        lease_epoch: worker.lease_epoch,
        repo: task.repo,
        branch: task.branch,
        spec: task.spec.unwrap_or_default(),
        head_sha: task.head_sha,
        attempt: number,
        metadata: task.metadata,
    })
}
