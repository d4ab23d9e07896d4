//! Compaction of the item counts and of the daily usage.

use anyhow::Context as _;
use serde::Serialize;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::{budget, work_items};

/// Rows per run; a full batch wakes the next run.
const BATCH_SIZE: i64 = 50_000;

/// Fewer rows than these are left alone: rewriting them gains nothing.
const FEW_ITEM_COUNTS: i64 = 100;
const FEW_DAILY_USAGE: i64 = 16;

/// Compacts the rows that changes of items and workers insert, so that a query sums few of them.
#[derive(Debug)]
pub struct Counts(pub App);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CountsReport {
    /// Rows of the item counts that were compacted.
    pub item_counts: u64,
    /// Rows of the daily usage that were compacted.
    pub daily_usage: u64,
}

impl Reconciler for Counts {
    type Report = CountsReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<CountsReport> {
        let Self(app) = self;
        let item_counts = work_items::compact_counts(&app.work_database, FEW_ITEM_COUNTS, BATCH_SIZE)
            .await
            .context("compacting the item counts")?;
        let daily_usage = budget::compact_usage(&app.work_database, FEW_DAILY_USAGE, BATCH_SIZE)
            .await
            .context("compacting the daily usage")?;
        if item_counts.max(daily_usage) == BATCH_SIZE.unsigned_abs() {
            app.wakers.counts.activate();
        }
        Ok(CountsReport {
            item_counts,
            daily_usage,
        })
    }
}
