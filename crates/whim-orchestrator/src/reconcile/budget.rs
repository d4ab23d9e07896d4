//! The copy of the daily budget in Redis.

use anyhow::Context as _;
use serde::Serialize;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::budget;
use crate::limits::BudgetCopy;

/// Counts the day's iterations in Postgres and writes the copy in Redis, which may have been lost.
#[derive(Debug)]
pub struct Budget(pub App);

#[derive(Debug, Serialize)]
pub struct BudgetReport {
    /// Iterations that were used today.
    pub used: u32,
    /// Iterations that are reserved for live workers.
    pub reserved: u32,
}

impl Reconciler for Budget {
    type Report = BudgetReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<BudgetReport> {
        let Self(app) = self;
        let usage = budget::today(&app.work_database)
            .await
            .context("counting the day's iterations")?;
        let (used, reserved) = (usage.used, usage.reserved);
        app.limits
            .store_budget(usage.day, BudgetCopy { used, reserved })
            .await?;
        Ok(BudgetReport { used, reserved })
    }
}
