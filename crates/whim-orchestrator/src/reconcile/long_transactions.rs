//! Long transactions in Postgres.

use anyhow::Context as _;
use serde::Serialize;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::activity::{self, LongTransaction};

/// Warns of a transaction that keeps Postgres from vacuuming. Terminates none: it may be a backup, and Whim's own
/// transactions have timeouts.
#[derive(Debug)]
pub struct LongTransactions(pub App);

#[derive(Debug, Serialize)]
pub struct LongTransactionsReport {
    /// The oldest transaction above the limit.
    pub oldest: Option<LongTransaction>,
}

impl Reconciler for LongTransactions {
    type Report = LongTransactionsReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<LongTransactionsReport> {
        let Self(app) = self;
        let oldest = activity::long_transaction(&app.work_database, app.config.database.long_transaction)
            .await
            .context("querying long transactions")?;
        if let Some(transaction) = &oldest {
            tracing::warn!("{transaction}");
        }
        Ok(LongTransactionsReport { oldest })
    }
}
