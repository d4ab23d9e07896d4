//! `POST /api/worker/:id/lock` and `/unlock`.

use std::collections::BTreeMap;

use chrono::Utc;
use whim_core::protocol::events::{WorkerEvent, WorkerEventBody};
use whim_core::protocol::worker::{LockConflict, LockFiles, LocksGranted, UnlockFiles};
use whim_core::{RelativePath, WorkerId};

use super::attempt::Caller;
use crate::app::App;
use crate::db::events::{self, NewEvent};
use crate::db::{in_transaction, locks, workers};
use crate::error::Error;
use crate::locks::{LockHolder, LockMode, LockOutcome, LocksFailed};

const MAX_FILES: usize = 1000;
/// Limit of the index over the copied locks.
const MAX_FILE_BYTES: usize = 1024;

/// Sequence number of events that no heartbeat carried; those of heartbeats start at 0.
const NO_HEARTBEAT: i64 = -1;

/// How often a request is repeated when the holders turn out to have ended, or when Redis loses the locks meanwhile.
const MAX_ROUNDS: usize = 4;

/// Locks all of the files in the worker's own repository, or none. With `after`, the files were changed already: those
/// that are free are locked, and the others are recorded as conflicts of both items.
///
/// # Errors
/// Other workers hold some of the files, the item was taken away, there are too many files, or Postgres or Redis is
/// unavailable.
pub async fn lock(app: &App, caller: &Caller, request: LockFiles) -> Result<LocksGranted, Error> {
    let LockFiles { files, after } = request;
    if files.is_empty() {
        return Err(Error::invalid(
            "files",
            format!("is empty; expected 1 to {MAX_FILES} files"),
        ));
    }
    check(&files)?;
    let mode = if after {
        LockMode::FreeOnly
    } else {
        LockMode::AllOrNothing
    };
    for _ in 0..MAX_ROUNDS {
        let held = match app.locks.acquire(caller.id, &caller.repo, &files, mode).await? {
            LockOutcome::Granted => Vec::new(),
            LockOutcome::Held(held) => held,
            LockOutcome::Incomplete => {
                restore(app).await?;
                continue;
            }
        };
        let Some(conflicts) = conflicts(app, held).await? else {
            continue;
        };
        if !conflicts.is_empty() && !after {
            require_lease(app, caller).await?;
            app.locks.note_wait(caller.id, &sentence(&conflicts)).await?;
            return Err(Error::LockHeld(conflicts));
        }
        let mut granted = files.clone();
        granted.retain(|file| conflicts.iter().all(|conflict| conflict.file != *file));
        if copy(app, caller, &granted).await? {
            record_conflicts(app, caller, &conflicts).await?;
            return Ok(LocksGranted {
                files: granted,
                conflicts,
            });
        }
    }
    Err(LocksFailed::Unstable.into())
}

/// Releases those of the files that the worker holds.
///
/// # Errors
/// The item was taken away, there are too many files, or Postgres or Redis is unavailable.
pub async fn unlock(app: &App, caller: &Caller, request: UnlockFiles) -> Result<(), Error> {
    let UnlockFiles { files } = request;
    check(&files)?;
    require_lease(app, caller).await?;
    // The copy first: a restore in between must not return the lock to this worker.
    locks::remove(&app.work_database, caller.id, &files).await?;
    app.locks.release(caller.id, &caller.repo, &files).await?;
    Ok(())
}

/// Restores the locks of live workers in a Redis that was emptied or restarted; returns how many those were.
///
/// # Errors
/// Postgres or Redis is unavailable.
pub async fn restore(app: &App) -> Result<u64, Error> {
    let copied = locks::of_live(&app.work_database).await?;
    let restored = app.locks.restore(&copied).await?;
    tracing::info!(
        locks = restored,
        "Redis had lost the file locks; they were restored from Postgres"
    );
    Ok(restored)
}

fn check(files: &[RelativePath]) -> Result<(), Error> {
    if files.len() > MAX_FILES {
        return Err(Error::invalid(
            "files",
            format!("has {} files; expected at most {MAX_FILES}", files.len()),
        ));
    }
    if files.iter().any(|file| file.as_str().len() > MAX_FILE_BYTES) {
        return Err(Error::invalid(
            "files",
            format!("expected paths of at most {MAX_FILE_BYTES} bytes"),
        ));
    }
    Ok(())
}

/// The holders with their items. `None` when some of the holders have ended: their locks are released now.
async fn conflicts(app: &App, held: Vec<LockHolder>) -> Result<Option<Vec<LockConflict>>, Error> {
    if held.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let mut workers: Vec<_> = held.iter().map(|holder| holder.worker).collect();
    workers.sort_unstable();
    workers.dedup();
    let holders = locks::live_holders(&app.work_database, &workers).await?;
    let live: BTreeMap<_, _> = holders.iter().map(|holder| (holder.worker, holder)).collect();
    for ended in workers.iter().filter(|worker| !live.contains_key(worker)) {
        app.locks.release_all(*ended).await?;
    }
    let named = held.into_iter().map(|LockHolder { file, worker }| {
        let holder = live.get(&worker)?;
        Some(LockConflict {
            file,
            worker_id: worker,
            work_item_id: holder.work_item_id,
            branch: holder.branch.clone(),
        })
    });
    Ok(named.collect())
}

/// Stores conflicts on both items, with a notice for the subscribers of each holder. The caller reports its own.
async fn record_conflicts(app: &App, caller: &Caller, conflicts: &[LockConflict]) -> Result<(), Error> {
    if conflicts.is_empty() {
        return Ok(());
    }
    in_transaction(&app.work_database, async |db| {
        let new = locks::record_conflicts(&mut *db, caller.id, conflicts).await?;
        let mut notices: BTreeMap<WorkerId, Vec<WorkerEvent>> = BTreeMap::new();
        for conflict in new {
            let locks::NewConflict {
                file,
                holder,
                changed_by,
                branch,
            } = conflict;
            let message = format!(
                "{file} was changed by work item {changed_by} on branch {branch} while this item holds its lock: the two \
                 branches may conflict"
            );
            notices.entry(holder).or_default().push(WorkerEvent {
                occurred_at: Utc::now(),
                body: WorkerEventBody::Notice { message },
            });
        }
        let new_events: Vec<NewEvent<'_>> = notices
            .iter()
            .map(|(worker, events)| NewEvent {
                worker: *worker,
                seq: NO_HEARTBEAT,
                events,
            })
            .collect();
        events::insert(db, &new_events).await?;
        Ok::<(), Error>(())
    })
    .await?;
    app.events.notify_changed();
    Ok(())
}

/// Describes the locks that a worker waits for, for people.
fn sentence(conflicts: &[LockConflict]) -> String {
    let first = conflicts.first().map(|conflict| {
        let LockConflict {
            file,
            work_item_id,
            branch,
            ..
        } = conflict;
        format!("{file}, which work item {work_item_id} on branch {branch} has locked")
    });
    format!("It is running, and waits for {}.", first.unwrap_or_default())
}

/// Copies granted locks to Postgres; `false` when Redis lost them meanwhile.
async fn copy(app: &App, caller: &Caller, granted: &[RelativePath]) -> Result<bool, Error> {
    match locks::copy(&app.work_database, caller.id, caller.lease_epoch, granted).await? {
        locks::Copied::LeaseLost => {
            // The locks of a worker that ended in between were released before these were granted.
            app.locks.release_all(caller.id).await?;
            Err(caller.lease_lost())
        }
        // The copy had all of them before they were granted, so no restore can have left them out.
        locks::Copied::Complete { new: 0 } => Ok(true),
        locks::Copied::Complete { .. } => Ok(app.locks.holds(caller.id, &caller.repo, granted).await?),
    }
}

async fn require_lease(app: &App, caller: &Caller) -> Result<(), Error> {
    if workers::has_lease(&app.work_database, caller.id, caller.lease_epoch).await? {
        return Ok(());
    }
    Err(caller.lease_lost())
}
