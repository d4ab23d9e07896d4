//! Items whose backoff is over.

use anyhow::Context as _;
use serde::Serialize;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::work_items;

/// Items per run; a full batch wakes the next run.
const BATCH_SIZE: i64 = 1000;

/// Releases due items: queued ones become claimable, which notifies the dispatchers, and the specs of generating ones can
/// be tried again.
#[derive(Debug)]
pub struct Retries(pub App);

/// What was done.
#[derive(Debug, Serialize)]
pub struct RetriesReport {
    /// Items that were released.
    pub due: u64,
}

impl Reconciler for Retries {
    type Report = RetriesReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<RetriesReport> {
        let Self(app) = self;
        let due = work_items::release_due_retries(&app.work_database, BATCH_SIZE)
            .await
            .context("releasing due retries")?;
        if due > 0 {
            app.events.notify_changed();
        }
        if due == BATCH_SIZE.unsigned_abs() {
            app.wakers.retries.activate();
        }
        Ok(RetriesReport { due })
    }
}
