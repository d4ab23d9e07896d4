//! Notifications of Postgres, turned into pokes.

use anyhow::Context as _;
use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::db::{WORK_CHANNEL, WORKERS_CHANNEL};

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
        app.pokes.everything();
        loop {
            match listener.try_recv().await.context("waiting for notifications")? {
                Some(notification) if notification.channel() == WORK_CHANNEL => {
                    app.pokes.dispatch.notify_one()
                }
                Some(_worker_ended) => {
                    app.pokes.stops.activate();
                    app.pokes.budget.activate();
                    app.pokes.dispatch.notify_one();
                }
                // The connection was lost and is made again, listening, by the next call; nobody knows what was missed.
                None => app.pokes.everything(),
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        result = listening => result,
    }
}
