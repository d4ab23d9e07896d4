//! Locks of workers that ended.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde::Serialize;
use whim_core::WorkerId;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::workers;

/// Releases what workers hold that ended while Redis was away, or that were granted locks while they ended.
#[derive(Debug)]
pub struct Locks(pub App);

/// What was done.
#[derive(Debug, Default, Serialize)]
pub struct LocksReport {
    /// Workers that hold locks.
    pub holders: usize,
    /// Locks that were released.
    pub released: u64,
}

impl Reconciler for Locks {
    type Report = LocksReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<LocksReport> {
        let Self(app) = self;
        // In this order: who holds a lock was live when it was granted, so a holder that is not live by now has ended.
        let holders = app.locks.holders().await?;
        if holders.is_empty() {
            return Ok(LocksReport::default());
        }
        let live: BTreeSet<WorkerId> = workers::live(&app.work_database)
            .await
            .context("listing the live workers")?
            .into_iter()
            .map(|worker| worker.id)
            .collect();
        let mut report = LocksReport {
            holders: holders.len(),
            released: 0,
        };
        for worker in holders.into_iter().filter(|holder| !live.contains(holder)) {
            report.released += app.locks.release_all(worker).await?;
        }
        Ok(report)
    }
}
