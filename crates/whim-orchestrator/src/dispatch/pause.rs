//! Pausing and resuming the queue.

use whim_core::protocol::queue::{PauseQueue, QueueState};

use super::claim;
use crate::app::App;
use crate::breakers;
use crate::db::{self, in_transaction};
use crate::error::Error;
use crate::validate::{self, MAX_REASON_CHARACTERS};

/// Pauses the queue. After the response no orchestrator claims anything; running workers continue.
///
/// # Errors
/// A field is invalid, or Postgres is unavailable.
pub async fn pause(app: &App, request: PauseQueue) -> Result<QueueState, Error> {
    let PauseQueue { reason, paused_by } = request;
    for (field, value) in [("reason", &reason), ("pausedBy", &paused_by)] {
        if let Some(value) = value {
            validate::text(field, value, MAX_REASON_CHARACTERS)?;
        }
    }
    in_transaction(&app.database, async |db| {
        // Claims in progress end first, and later ones see the pause.
        claim::block_claims(&mut *db).await?;
        db::pause::begin(&mut *db, paused_by.as_deref(), reason.as_deref()).await?;
        let paused = db::pause::current(&mut *db).await?;
        tracing::info!(paused_by, reason, "queue paused");
        Ok(QueueState { paused })
    })
    .await
}

/// Ends the pause, and has one worker probe every open breaker at once, whatever its reset time.
///
/// # Errors
/// Postgres is unavailable.
pub async fn resume(app: &App) -> Result<QueueState, Error> {
    let probed = in_transaction(&app.database, async |db| {
        db::pause::end(&mut *db).await?;
        breakers::probe_all(db, &app.config).await.map_err(Error::from)
    })
    .await?;
    app.events.notify_changed();
    tracing::info!(probed, "queue resumed");
    Ok(QueueState { paused: None })
}
