//! Items whose wait is over.

use anyhow::Context as _;
use serde::Serialize;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::work_items;

/// How many waits are ended at once; the next run goes on.
const AT_ONCE: i64 = 1000;

/// Ends the waits that are over: queued items become claimable, which notifies the dispatcher, and generating ones may
/// have their specs tried again.
#[derive(Debug)]
pub struct Retries(pub App);

/// What was done.
#[derive(Debug, Serialize)]
pub struct RetriesReport {
    /// Waits that were ended.
    pub due: u64,
}

impl Reconciler for Retries {
    type Report = RetriesReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<RetriesReport> {
        let Self(app) = self;
        let due = work_items::release_due_retries(&app.work_database, AT_ONCE)
            .await
            .context("ending the waits that are over")?;
        if due > 0 {
            app.events.notify_changed();
        }
        if due == AT_ONCE.unsigned_abs() {
            app.wakers.retries.activate();
        }
        Ok(RetriesReport { due })
    }
}
