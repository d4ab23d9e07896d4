//! A person's pause of the queue.

use whim_core::protocol::queue::{PauseQueue, QueueState};

use super::claim;
use crate::app::App;
use crate::db::{self, in_transaction};
use crate::error::Error;
use crate::work::text::{self, MAX_NOTE_BYTES};

/// Pauses the queue: once this has answered no orchestrator claims anything. What runs goes on.
///
/// # Errors
/// A field is wrong, or Postgres is away.
pub async fn pause(app: &App, request: PauseQueue) -> Result<QueueState, Error> {
    let PauseQueue { reason, by } = request;
    for (field, value) in [("reason", &reason), ("by", &by)] {
        if let Some(value) = value {
            text::check(field, value, MAX_NOTE_BYTES)?;
        }
    }
    in_transaction(&app.database, async |db| {
        // Claims that are going on end first, and later ones see the pause.
        claim::lock_out_claims(&mut *db).await?;
        db::pause::begin(&mut *db, by.as_deref(), reason.as_deref()).await?;
        let paused = db::pause::current(&mut *db).await?;
        tracing::info!(by, reason, "the queue is paused");
        Ok(QueueState { paused })
    })
    .await
}

/// Ends the pause; where there is none nothing happens.
///
/// # Errors
/// Postgres is away.
pub async fn resume(app: &App) -> Result<QueueState, Error> {
    db::pause::end(&app.database).await?;
    tracing::info!("the queue is not paused");
    Ok(QueueState { paused: None })
}
