//! The rows that make up the counts of items.

use anyhow::Context as _;
use serde::Serialize;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::work_items;

/// How many rows are added up at once; the next run goes on.
const AT_ONCE: i64 = 50_000;

/// Adds up the rows that every change of items leaves, so that few are left to be summed when somebody asks.
#[derive(Debug)]
pub struct Counts(pub App);

/// What was done.
#[derive(Debug, Serialize)]
pub struct CountsReport {
    /// Rows that were added up.
    pub rows: u64,
}

impl Reconciler for Counts {
    type Report = CountsReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<CountsReport> {
        let Self(app) = self;
        let rows = work_items::compact_counts(&app.work_database, AT_ONCE)
            .await
            .context("adding up the counts of items")?;
        if rows == AT_ONCE.unsigned_abs() {
            app.wakers.counts.activate();
        }
        Ok(CountsReport { rows })
    }
}
