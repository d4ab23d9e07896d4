//! Reconcilers: they make the runtime, Redis and Postgres agree with each other.
//!
//! Each takes no input, is bounded and may run at any time: periodically, when woken, and right after the start. The
//! normal path and the path after a crash are the same.

mod breakers;
mod budget;
mod counts;
mod expired_leases;
mod garbage;
mod learnings;
mod locks;
mod long_transactions;
mod partitions;
mod reap;
mod retries;
mod suspend;
mod terminate;

use anyhow::Context as _;
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;
use whim_service::reconcile::Reconcilers;

pub use self::breakers::Breakers;
pub use self::budget::Budget;
pub use self::counts::Counts;
pub use self::expired_leases::{ExpiredLeases, ExpiredLeasesReport};
pub use self::garbage::Garbage;
pub use self::learnings::{Learnings, LearningsReport};
pub use self::locks::Locks;
pub use self::long_transactions::LongTransactions;
pub use self::partitions::{Partitions, PartitionsReport, TableReport};
pub use self::reap::Reap;
pub use self::retries::Retries;
pub use self::suspend::{Clocks, SuspendDetector};
pub use self::terminate::Terminate;
use crate::app::App;
use crate::breakers::probe_runtime;

/// Starts all reconcilers. Once `stop` is cancelled, slow work is left to the next start.
pub fn start(app: &App, reconcilers: &Reconcilers, stop: &CancellationToken) {
    let (periods, wakers) = (app.config.intervals, &app.wakers);
    let (frequent, rare) = (periods.dispatch, periods.reconcile);
    reconcilers.start("reap", None, frequent, &wakers.reap, Reap(app.clone()));
    reconcilers.start(
        "expired_leases",
        None,
        frequent,
        &wakers.expired_leases,
        ExpiredLeases::new(app, SuspendDetector::new(Clocks::now)),
    );
    reconcilers.start(
        "terminate",
        None,
        frequent,
        &wakers.terminate,
        Terminate::new(app, stop),
    );
    reconcilers.start(
        "breakers",
        None,
        frequent,
        &wakers.breakers,
        Breakers(app.clone()),
    );
    reconcilers.start("retries", None, frequent, &wakers.retries, Retries(app.clone()));
    reconcilers.start("budget", None, rare, &wakers.budget, Budget(app.clone()));
    reconcilers.start(
        "compact_counts",
        None,
        frequent,
        &wakers.counts,
        Counts(app.clone()),
    );
    reconcilers.start("locks", None, rare, &wakers.locks, Locks(app.clone()));
    reconcilers.start("learnings", None, rare, &wakers.learnings, Learnings(app.clone()));
    let long_transactions = LongTransactions(app.clone());
    reconcilers.start(
        "long_transactions",
        None,
        rare,
        &wakers.long_transactions,
        long_transactions,
    );
    reconcilers.start("garbage", None, rare, &wakers.garbage, Garbage::new(app, stop));
    reconcilers.start(
        "partitions",
        None,
        rare,
        &wakers.partitions,
        Partitions(app.clone()),
    );
}

/// Wakes the reconcilers of ended workers at each exit that the runtime reports, and probes the runtime's breaker as soon
/// as the runtime is available again; until `stop`.
///
/// # Errors
/// The runtime's stream of exits ended, or Postgres is unavailable; to be called again.
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
                    tracing::debug!(%worker_id, "a worker exited");
                    app.wakers.reap.activate();
                    app.wakers.terminate.activate();
                }
                None => anyhow::bail!("the runtime's stream of exits ended"),
            },
        }
    }
}
