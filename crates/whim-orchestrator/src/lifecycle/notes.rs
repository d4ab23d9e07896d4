//! `GET /api/worker/:id/notes`.

use whim_core::protocol::notes::Notes;

use super::attempt::{Attempt, Caller};
use crate::app::App;
use crate::db::{in_transaction, notes};
use crate::error::Error;

/// The notes of the run that a running worker works in. That they were received is not recorded: its heartbeats report which
/// of them an agent has.
///
/// # Errors
/// The item was taken away, or Postgres is unavailable.
pub async fn notes(app: &App, caller: &Caller) -> Result<Notes, Error> {
    in_transaction(&app.work_database, async |db| {
        let attempt = Attempt::lock(db, caller.id)
            .await?
            .ok_or(Error::NoSuchWorker(caller.id))?;
        attempt.require_running("read notes before it registered")?;
        let notes = notes::of_run(db, attempt.item.id, attempt.item.run).await?;
        Ok(Notes { notes })
    })
    .await
}
