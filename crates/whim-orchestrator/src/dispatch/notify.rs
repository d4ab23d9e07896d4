//! Notifications of Postgres, turned into wakers, and those that this orchestrator sends itself.

use std::time::Duration;

use anyhow::Context as _;
use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;
use whim_service::chain::chain;

use crate::app::App;
use crate::db::dispatch::notify_of_work;
use crate::db::{WORK_CHANNEL, WORKERS_CHANNEL};

/// How often others are told of submissions at the most.
const TELL_AT_MOST_EVERY: Duration = Duration::from_millis(20);

/// Listens until `stop`. Whenever listening begins, or begins anew after a lost connection, everything is poked:
/// listen first, then look, so that what happened in between is not missed (`FAULTS.md`, row 30).
///
/// # Errors
/// Postgres is away; to be called again.
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
                // The connection was lost and is made again, listening, by the next call; nobody knows what was missed.
                None => app.wakers.everything(),
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        result = listening => result,
    }
}

/// Tells the other orchestrators of what was submitted here, until `stop`. Of one that was not told they know at their
/// next tick.
///
/// # Errors
/// None.
pub async fn tell(app: App, stop: CancellationToken) -> anyhow::Result<()> {
    let telling = async {
        loop {
            app.wakers.announce.notified().await;
            if let Err(error) = notify_of_work(&app.work_database).await {
                tracing::debug!(error = %chain(&error), "other orchestrators know of new work later");
            }
            tokio::time::sleep(TELL_AT_MOST_EVERY).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        () = telling => Ok(()),
    }
}
