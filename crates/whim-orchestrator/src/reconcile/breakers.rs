//! Circuit breakers that can close.

use anyhow::Context as _;
use serde::Serialize;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::in_transaction;
use crate::dispatch::breakers::close_what_works;

/// Closes breakers that have expired or whose subject was observed to work. Closing one notifies the dispatchers.
#[derive(Debug)]
pub struct Breakers(pub App);

/// What was done.
#[derive(Debug, Serialize)]
pub struct BreakersReport {
    pub closed: usize,
}

impl Reconciler for Breakers {
    type Report = BreakersReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<BreakersReport> {
        let Self(app) = self;
        let closed = in_transaction(&app.work_database, async |db| close_what_works(db).await)
            .await
            .context("closing breakers")?;
        Ok(BreakersReport { closed })
    }
}
