//! What makes the world fit the rows, and the rows the world.
//!
//! Each reconciler takes no input, is bounded and may run at any time: periodically, when poked, and at once after a
//! start. The happy path and the path after a crash are the same.

mod breakers;
mod budget;
mod counts;
mod exits;
mod history;
mod leftovers;
mod locks;
mod overdue;
mod retries;
mod stops;
mod transactions;

use anyhow::Context as _;
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;
use whim_service::reconcile::Reconcilers;

pub use self::breakers::Breakers;
pub use self::budget::Budget;
pub use self::counts::Counts;
pub use self::exits::Exits;
pub use self::history::{History, HistoryReport};
pub use self::leftovers::Leftovers;
pub use self::locks::Locks;
pub use self::overdue::OverdueWorkers;
pub use self::retries::Retries;
pub use self::stops::Stops;
pub use self::transactions::Transactions;
use crate::app::App;
use crate::dispatch::breakers::try_runtime;

/// Starts all reconcilers. `stop` says that the program is stopping: what takes long is left to the next one then.
pub fn start(app: &App, reconcilers: &Reconcilers, stop: &CancellationToken) {
    let (periods, pokes) = (app.config.periods, &app.pokes);
    let (often, seldom) = (periods.dispatch, periods.reconcile);
    reconcilers.start("exits", None, often, &pokes.exits, Exits(app.clone()));
    reconcilers.start(
        "overdue",
        None,
        often,
        &pokes.overdue,
        OverdueWorkers(app.clone()),
    );
    reconcilers.start("stops", None, often, &pokes.stops, Stops::new(app, stop));
    reconcilers.start("breakers", None, often, &pokes.breakers, Breakers(app.clone()));
    reconcilers.start("retries", None, often, &pokes.retries, Retries(app.clone()));
    reconcilers.start("budget", None, seldom, &pokes.budget, Budget(app.clone()));
    reconcilers.start("counts", None, seldom, &pokes.counts, Counts(app.clone()));
    reconcilers.start("locks", None, seldom, &pokes.locks, Locks(app.clone()));
    let transactions = Transactions(app.clone());
    reconcilers.start("transactions", None, seldom, &pokes.transactions, transactions);
    reconcilers.start(
        "leftovers",
        None,
        seldom,
        &pokes.leftovers,
        Leftovers::new(app, stop),
    );
    reconcilers.start("history", None, seldom, &pokes.history, History(app.clone()));
}

/// Pokes those who look after ended workers whenever the runtime tells of one, and has a runtime that was away tried as
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
                try_runtime(&app).await.context("letting a runtime be tried that is back")?;
            }
            exit = exits.next() => match exit {
                Some(worker_id) => {
                    tracing::debug!(%worker_id, "a worker ended");
                    app.pokes.exits.activate();
                    app.pokes.stops.activate();
                }
                None => anyhow::bail!("the runtime tells no more of workers that end"),
            },
        }
    }
}
