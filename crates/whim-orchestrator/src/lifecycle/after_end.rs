//! Effects after the end of a worker is committed.

use whim_core::WorkerId;
use whim_service::chain::chain;

use crate::app::App;

/// Releases the worker's locks and wakes the background work. Failures are only logged: the reconcilers repeat what did
/// not happen here.
pub(crate) async fn worker_ended(app: &App, worker: WorkerId) {
    if let Err(error) = app.locks.release_all(worker).await {
        let error = chain(&error);
        tracing::warn!(worker_id = %worker, %error, "the locks of an ended worker are released later");
        app.wakers.locks.activate();
    }
    app.wakers.terminate.activate();
    app.wakers.budget.activate();
    app.wakers.dispatch.notify_one();
    app.events.notify_changed();
}
