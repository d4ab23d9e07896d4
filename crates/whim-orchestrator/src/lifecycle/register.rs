//! `POST /api/worker/register`.

use std::time::Duration;

use sqlx::PgConnection;
use whim_core::protocol::worker::{Assignment, Register, Registered};
use whim_core::{SourceName, WorkItemStatus};
use whim_service::chain::chain;

use super::attempt::{Attempt, Caller, whole_seconds};
use crate::app::App;
use crate::db::{in_transaction, notes, work_items, workers};
use crate::error::Error;
use crate::learnings::give;
use crate::metrics;

const MAX_NONCE_BYTES: usize = 64;

/// Registers a process as the worker and returns its assignment. The same process again gets the same response; another
/// one is refused, so that two processes never act as one worker (`docs/faults.md`, row 21).
///
/// # Errors
/// Another process registered, the item was taken away, the nonce is invalid, or Postgres is unavailable.
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
    let (mut work_item, is_new) = in_transaction(&app.work_database, async |db| {
        let attempt = Attempt::lock(db, worker_id)
            .await?
            .ok_or(Error::NoSuchWorker(worker_id))?;
        let is_new = start(db, &attempt, &nonce, lease).await?;
        Ok::<_, Error>((assignment(db, &attempt).await?, is_new))
    })
    .await?;
    if is_new {
        metrics::transition(WorkItemStatus::InProgress);
        let (work_item_id, attempt) = (work_item.id, work_item.attempt);
        tracing::info!(%worker_id, %work_item_id, attempt, "registered");
    }
    work_item.learnings = match give(app, worker_id, work_item.id, &work_item.repo, &work_item.spec).await {
        Ok(learnings) => learnings,
        // The work does not depend on them.
        Err(error) => {
            tracing::warn!(%worker_id, error = %chain(&error), "an attempt starts without learnings");
            String::new()
        }
    };
    Ok(Registered {
        worker_id,
        work_item,
        lease_seconds: whole_seconds(lease),
        max_iterations: caller.max_iterations,
    })
}

/// Starts the attempt; `false` when this process had started it before.
async fn start(
    db: &mut PgConnection,
    attempt: &Attempt,
    nonce: &str,
    lease: Duration,
) -> Result<bool, Error> {
    let Attempt { item, worker } = attempt;
    if !attempt.has_item() {
        return Err(attempt.lease_lost());
    }
    match &worker.nonce {
        Some(registered) if registered == nonce => Ok(false),
        Some(_another) => Err(Error::AlreadyRegistered(worker.id)),
        None => {
            let started = workers::register(db, worker.id, worker.lease_epoch, nonce, lease).await?
                && work_items::mark_in_progress(db, item.id, worker.lease_epoch).await?;
            if started {
                Ok(true)
            } else {
                Err(attempt.lease_lost())
            }
        }
    }
}

async fn assignment(db: &mut PgConnection, attempt: &Attempt) -> Result<Assignment, Error> {
    let Attempt { item, worker } = attempt;
    let number = workers::attempt_number(&mut *db, item.id, worker.lease_epoch).await?;
    let task = work_items::task(&mut *db, item.id)
        .await?
        .ok_or(Error::NoSuchItem(item.id))?;
    let notes = notes::of_run(&mut *db, item.id, item.run).await?;
    // The names of other sources may be those of strangers at GitHub.
    let is_from_github = task.source == SourceName::github();
    Ok(Assignment {
        id: item.id,
        lease_epoch: worker.lease_epoch,
        repo: task.repo,
        branch: task.branch,
        spec: task.spec.unwrap_or_default(),
        head_sha: task.head_sha,
        attempt: number,
        requested_by: task.requested_by.filter(|_| is_from_github),
        metadata: task.metadata,
        learnings: String::new(),
        notes,
    })
}
