//! A person's pause of the queue, and their word that it goes on.

use whim_core::protocol::queue::{PauseQueue, QueueState};

use super::claim;
use crate::app::App;
use crate::db::breakers::TryNow;
use crate::db::{self, in_transaction};
use crate::error::Error;
use crate::validate::{self, MAX_NOTE_CHARACTERS};

/// Pauses the queue: once this has answered no orchestrator claims anything. What runs goes on.
///
/// # Errors
/// A field is wrong, or Postgres is away.
pub async fn pause(app: &App, request: PauseQueue) -> Result<QueueState, Error> {
    let PauseQueue { reason, paused_by } = request;
    for (field, value) in [("reason", &reason), ("pausedBy", &paused_by)] {
        if let Some(value) = value {
            validate::text(field, value, MAX_NOTE_CHARACTERS)?;
        }
    }
    in_transaction(&app.database, async |db| {
        // Claims that are going on end first, and later ones see the pause.
        claim::block_claims(&mut *db).await?;
        db::pause::begin(&mut *db, paused_by.as_deref(), reason.as_deref()).await?;
        let paused = db::pause::current(&mut *db).await?;
        tracing::info!(paused_by, reason, "the queue is paused");
        Ok(QueueState { paused })
    })
    .await
}

/// Ends the pause, and lets every open breaker be tried at once by one worker, whatever was said about when. Where there
/// is nothing of that, nothing happens.
///
/// # Errors
/// Postgres is away.
pub async fn resume(app: &App) -> Result<QueueState, Error> {
    let tried = in_transaction(&app.database, async |db| {
        db::pause::end(&mut *db).await?;
        db::breakers::try_now(db, TryNow::All).await.map_err(Error::from)
    })
    .await?;
    tracing::info!(tried, "the queue is not paused, and open breakers are tried now");
    Ok(QueueState { paused: None })
}
