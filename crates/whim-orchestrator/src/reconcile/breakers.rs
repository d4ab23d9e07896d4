//! Closing of circuit breakers.

use anyhow::Context as _;
use serde::Serialize;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::breakers::close_recovered;

/// Closes the breakers that have expired or whose subject works again, and releases the items that they deferred.
#[derive(Debug)]
pub struct Breakers(pub App);

#[derive(Debug, Serialize)]
pub struct BreakersReport {
    pub closed: usize,
}

impl Reconciler for Breakers {
    type Report = BreakersReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<BreakersReport> {
        let Self(app) = self;
        let closed = close_recovered(&app.work_database, &app.config)
            .await
            .context("closing circuit breakers")?;
        if closed > 0 {
            app.events.notify_changed();
        }
        Ok(BreakersReport { closed })
    }
}
