//! LongTransactions that have been open for too long.

use anyhow::Context as _;
use serde::Serialize;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::activity::{self, LongTransaction};

/// Warns of a transaction that keeps Postgres from cleaning up. Ends none: it may be a backup, and Whim's own end by
/// themselves.
#[derive(Debug)]
pub struct LongTransactions(pub App);

/// What was seen.
#[derive(Debug, Serialize)]
pub struct LongTransactionsReport {
    /// The oldest of those that are too old.
    pub oldest: Option<LongTransaction>,
}

impl Reconciler for LongTransactions {
    type Report = LongTransactionsReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<LongTransactionsReport> {
        let Self(app) = self;
        let oldest = activity::long_transaction(&app.work_database, app.config.database.long_transaction)
            .await
            .context("looking for old transactions")?;
        if let Some(transaction) = &oldest {
            tracing::warn!("{transaction}");
        }
        Ok(LongTransactionsReport { oldest })
    }
}
