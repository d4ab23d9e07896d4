//! Breakers whose subject works again.

use anyhow::Context as _;
use serde::Serialize;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::in_transaction;
use crate::dispatch::breakers::close_what_works;

/// Closes the breakers whose end has come or whose subject is seen to work, which wakes the dispatchers.
#[derive(Debug)]
pub struct Breakers(pub App);

/// What was done.
#[derive(Debug, Serialize)]
pub struct BreakersReport {
    /// Breakers that were closed.
    pub closed: usize,
}

impl Reconciler for Breakers {
    type Report = BreakersReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<BreakersReport> {
        let Self(app) = self;
        let closed = in_transaction(&app.work_database, async |db| close_what_works(db).await)
            .await
            .context("closing the breakers of what works again")?;
        Ok(BreakersReport { closed })
    }
}
