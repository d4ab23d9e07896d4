//! `POST /api/worker/:id/lock` and `/unlock`.

use whim_core::protocol::worker::{LockFiles, LocksGranted, UnlockFiles};

use super::Caller;
use crate::app::App;
use crate::db::workers;
use crate::error::Error;
use crate::locks::LockOutcome;

const MAX_FILES: usize = 1000;

/// Locks all of the files in the worker's own repository, or none.
///
/// # Errors
/// Others hold some of them, the item was taken away, there are too many, or Postgres or Redis is away.
pub async fn lock(app: &App, caller: &Caller, request: LockFiles) -> Result<LocksGranted, Error> {
    let LockFiles { files } = request;
    if files.is_empty() || files.len() > MAX_FILES {
        return Err(Error::invalid(
            "files",
            format!("expected 1 to {MAX_FILES} files"),
        ));
    }
    require_lease(app, caller).await?;
    match app.locks.acquire(caller.id, &caller.repo, &files).await? {
        LockOutcome::Refused(conflicts) => return Err(Error::LockHeld(conflicts)),
        LockOutcome::Granted => {}
    }
    // A worker that ended in between had its locks released before these were taken: nobody else would release them.
    if let Err(error) = require_lease(app, caller).await {
        app.locks.release_all(caller.id).await?;
        return Err(error);
    }
    Ok(LocksGranted { files })
}

/// Releases those of the files that the worker holds.
///
/// # Errors
/// The item was taken away, there are too many files, or Postgres or Redis is away.
pub async fn unlock(app: &App, caller: &Caller, request: UnlockFiles) -> Result<(), Error> {
    let UnlockFiles { files } = request;
    if files.len() > MAX_FILES {
        return Err(Error::invalid(
            "files",
            format!("expected at most {MAX_FILES} files"),
        ));
    }
    require_lease(app, caller).await?;
    app.locks.release(caller.id, &caller.repo, &files).await?;
    Ok(())
}

async fn require_lease(app: &App, caller: &Caller) -> Result<(), Error> {
    if workers::has_lease(&app.work_database, caller.id, caller.lease_epoch).await? {
        return Ok(());
    }
    Err(caller.lease_lost())
}
