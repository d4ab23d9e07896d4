//! What makes the world fit the rows, and the rows the world.
//!
//! Each reconciler takes no input, is bounded and may run at any time: periodically, when poked, and at once after a
//! start. The happy path and the path after a crash are the same.

mod breakers;
mod budget;
mod counts;
mod event_partitions;
mod expired_leases;
mod garbage;
mod locks;
mod long_transactions;
mod reap;
mod retries;
mod terminate;

use anyhow::Context as _;
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;
use whim_service::reconcile::Reconcilers;

pub use self::breakers::Breakers;
pub use self::budget::Budget;
pub use self::counts::Counts;
pub use self::event_partitions::{EventPartitions, EventPartitionsReport};
pub use self::expired_leases::ExpiredLeases;
pub use self::garbage::Garbage;
pub use self::locks::Locks;
pub use self::long_transactions::LongTransactions;
pub use self::reap::Reap;
pub use self::retries::Retries;
pub use self::terminate::Terminate;
use crate::app::App;
use crate::breakers::probe_runtime;

/// Starts all reconcilers. `stop` says that the program is stopping: what takes long is left to the next one then.
pub fn start(app: &App, reconcilers: &Reconcilers, stop: &CancellationToken) {
    let (periods, wakers) = (app.config.periods, &app.wakers);
    let (often, seldom) = (periods.dispatch, periods.reconcile);
    reconcilers.start("reap", None, often, &wakers.reap, Reap(app.clone()));
    reconcilers.start(
        "expired_leases",
        None,
        often,
        &wakers.expired_leases,
        ExpiredLeases(app.clone()),
    );
    reconcilers.start(
        "terminate",
        None,
        often,
        &wakers.terminate,
        Terminate::new(app, stop),
    );
    reconcilers.start("breakers", None, often, &wakers.breakers, Breakers(app.clone()));
    reconcilers.start("retries", None, often, &wakers.retries, Retries(app.clone()));
    reconcilers.start("budget", None, seldom, &wakers.budget, Budget(app.clone()));
    reconcilers.start(
        "compact_counts",
        None,
        seldom,
        &wakers.counts,
        Counts(app.clone()),
    );
    reconcilers.start("locks", None, seldom, &wakers.locks, Locks(app.clone()));
    let long_transactions = LongTransactions(app.clone());
    reconcilers.start(
        "long_transactions",
        None,
        seldom,
        &wakers.long_transactions,
        long_transactions,
    );
    reconcilers.start("garbage", None, seldom, &wakers.garbage, Garbage::new(app, stop));
    reconcilers.start(
        "event_partitions",
        None,
        seldom,
        &wakers.event_partitions,
        EventPartitions(app.clone()),
    );
}

/// Wakers those who look after ended workers whenever the runtime tells of one, and has a runtime that was away tried as
/// soon as it is back, until `stop`.
///
/// # Errors
/// The runtime tells no more, or Postgres is away; to be called again.
pub async fn watch_runtime(app: App, stop: CancellationToken) -> anyhow::Result<()> {
    let mut returns = app.runtime.returns();
    let mut exits = app.runtime.exits();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(()) = returns.next() => {
                probe_runtime(&app.work_database, &app.config, app.runtime.instance())
                    .await
                    .context("probing the runtime, which is available again")?;
            }
            exit = exits.next() => match exit {
                Some(worker_id) => {
                    tracing::debug!(%worker_id, "a worker ended");
                    app.wakers.reap.activate();
                    app.wakers.terminate.activate();
                }
                None => anyhow::bail!("the runtime tells no more of workers that end"),
            },
        }
    }
}
