//! Compaction of the item counts.

use anyhow::Context as _;
use serde::Serialize;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::work_items;

/// Rows per run; a full batch wakes the next run.
const BATCH_SIZE: i64 = 50_000;

/// Compacts the rows that every change of an item inserts, so that a query sums few of them.
#[derive(Debug)]
pub struct Counts(pub App);

#[derive(Debug, Serialize)]
pub struct CountsReport {
    /// Rows that were compacted.
    pub rows: u64,
}

impl Reconciler for Counts {
    type Report = CountsReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<CountsReport> {
        let Self(app) = self;
        let rows = work_items::compact_counts(&app.work_database, BATCH_SIZE)
            .await
            .context("compacting the item counts")?;
        if rows == BATCH_SIZE.unsigned_abs() {
            app.wakers.counts.activate();
        }
        Ok(CountsReport { rows })
    }
}
