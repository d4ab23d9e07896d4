//! Notifications from Postgres about the queue and workers, and those of this orchestrator to the others.

use std::time::Duration;

use anyhow::Context as _;
use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;
use whim_service::chain::chain;

use crate::app::App;
use crate::db::queue_state::notify_of_work;
use crate::db::{WORK_CHANNEL, WORKERS_CHANNEL};

/// Shortest time between two notifications of new items.
const ANNOUNCE_INTERVAL: Duration = Duration::from_millis(20);

/// Wakes the background work on notifications, until `stop`. Everything is woken whenever a subscription begins,
/// because notifications may have been missed before (docs/faults.md, row 30).
///
/// # Errors
/// Postgres is unavailable; call it again.
pub async fn listen(app: App, stop: CancellationToken) -> anyhow::Result<()> {
    let listening = async {
        let mut listener = PgListener::connect_with(&app.work_database)
            .await
            .context("connecting to listen for notifications")?;
        listener
            .listen_all([WORK_CHANNEL, WORKERS_CHANNEL])
            .await
            .context("listening for notifications")?;
        app.wakers.everything();
        loop {
            match listener.try_recv().await.context("waiting for notifications")? {
                Some(notification) if notification.channel() == WORK_CHANNEL => {
                    app.wakers.dispatch.notify_one()
                }
                Some(_worker_ended) => {
                    app.wakers.terminate.activate();
                    app.wakers.budget.activate();
                    app.wakers.dispatch.notify_one();
                }
                // The connection was lost. The next call reconnects and listens again.
                None => app.wakers.everything(),
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        result = listening => result,
    }
}

/// Notifies the other orchestrators of items that were queued here, until `stop`. They poll for what is missed.
///
/// # Errors
/// None.
pub async fn announce(app: App, stop: CancellationToken) -> anyhow::Result<()> {
    let announcing = async {
        loop {
            app.wakers.announce.notified().await;
            if let Err(error) = notify_of_work(&app.work_database).await {
                tracing::debug!(error = %chain(&error), "failed to notify other orchestrators of new items");
            }
            tokio::time::sleep(ANNOUNCE_INTERVAL).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        () = announcing => Ok(()),
    }
}
