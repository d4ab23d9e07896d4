//! `POST /api/worker/:id/lock` and `/unlock`.

use std::collections::BTreeMap;

use chrono::Utc;
use whim_core::protocol::events::{WorkerEvent, WorkerEventBody};
use whim_core::protocol::worker::{LockConflict, LockFiles, LocksGranted, UnlockFiles};
use whim_core::{RelativePath, WorkerId};

use super::Caller;
use crate::app::App;
use crate::db::events::{self, NewEvent};
use crate::db::{in_transaction, locks, workers};
use crate::error::Error;
use crate::locks::{LockHolder, LockOutcome, LocksFailed, Take};

const MAX_FILES: usize = 1000;
/// The copy has an index over them.
const MAX_FILE_BYTES: usize = 1024;

/// Heartbeats count up from 0.
const BROUGHT_BY_NO_HEARTBEAT: i64 = -1;

/// How often a set is asked for again when its holders turn out to have ended, or when Redis lost it meanwhile.
const ROUNDS: usize = 4;

/// Locks all of the files in the worker's own repository, or none. For files that are changed already, those that are
/// free; what others hold is kept as a conflict of both items.
///
/// # Errors
/// Others hold some of them, the item was taken away, there are too many, or Postgres or Redis is away.
pub async fn lock(app: &App, caller: &Caller, request: LockFiles) -> Result<LocksGranted, Error> {
    let LockFiles { files, after } = request;
    if files.is_empty() {
        return Err(Error::invalid(
            "files",
            format!("expected 1 to {MAX_FILES} files"),
        ));
    }
    check(&files)?;
    let take = if after {
        Take::WhatIsFree
    } else {
        Take::AllOrNothing
    };
    for _ in 0..ROUNDS {
        let held = match app.locks.acquire(caller.id, &caller.repo, &files, take).await? {
            LockOutcome::Granted => Vec::new(),
            LockOutcome::Held(held) => held,
            LockOutcome::Unknown => {
                rebuild(app).await?;
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
        if keep(app, caller, &granted).await? {
            show(app, caller, &conflicts).await?;
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
/// The item was taken away, there are too many files, or Postgres or Redis is away.
pub async fn unlock(app: &App, caller: &Caller, request: UnlockFiles) -> Result<(), Error> {
    let UnlockFiles { files } = request;
    check(&files)?;
    require_lease(app, caller).await?;
    // The copy first: whoever gets the lock next is not to find it held by this worker after a rebuild.
    locks::remove(&app.work_database, caller.id, &files).await?;
    app.locks.release(caller.id, &caller.repo, &files).await?;
    Ok(())
}

/// Puts the locks of live workers into a Redis that was emptied or restarted; how many those were.
///
/// # Errors
/// Postgres or Redis is away.
pub async fn rebuild(app: &App) -> Result<u64, Error> {
    let known = locks::of_live(&app.work_database).await?;
    let rebuilt = app.locks.rebuild(&known).await?;
    tracing::info!(
        locks = rebuilt,
        "Redis did not know the locks any more; they were rebuilt"
    );
    Ok(rebuilt)
}

fn check(files: &[RelativePath]) -> Result<(), Error> {
    if files.len() > MAX_FILES {
        return Err(Error::invalid(
            "files",
            format!("expected at most {MAX_FILES} files"),
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

/// Who holds the files, by name. `None` when some of the holders have ended: what they held is free now.
async fn conflicts(app: &App, held: Vec<LockHolder>) -> Result<Option<Vec<LockConflict>>, Error> {
    if held.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let mut workers: Vec<_> = held.iter().map(|holding| holding.worker).collect();
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

/// Keeps conflicts where both items show them, and tells the watchers of the holders; the caller tells its own.
async fn show(app: &App, caller: &Caller, conflicts: &[LockConflict]) -> Result<(), Error> {
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
                "{file} was changed by work item {changed_by} on branch {branch}, although this item has it locked: \
                 the two branches may not merge"
            );
            notices.entry(holder).or_default().push(WorkerEvent {
                occurred_at: Utc::now(),
                body: WorkerEventBody::Notice { message },
            });
        }
        let told: Vec<NewEvent<'_>> = notices
            .iter()
            .map(|(worker, events)| NewEvent {
                worker: *worker,
                seq: BROUGHT_BY_NO_HEARTBEAT,
                events,
            })
            .collect();
        events::insert(db, &told).await?;
        Ok::<(), Error>(())
    })
    .await?;
    app.events.notify_changed();
    Ok(())
}

/// What a worker waits for, for a person.
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

/// Copies what was granted, and sees to it that both have it then; `false` when Redis lost it meanwhile.
async fn keep(app: &App, caller: &Caller, granted: &[RelativePath]) -> Result<bool, Error> {
    match locks::copy(&app.work_database, caller.id, caller.lease_epoch, granted).await? {
        locks::Copied::LeaseLost => {
            // A worker that ended in between had its locks released before these were taken: nobody else would
            // release them.
            app.locks.release_all(caller.id).await?;
            Err(caller.lease_lost())
        }
        // It was in the copy before it was asked for, so that no rebuild can have left it out.
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
