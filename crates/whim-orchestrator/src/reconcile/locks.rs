//! File locks of ended workers, and locks that Redis lost.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde::Serialize;
use whim_core::WorkerId;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::{locks, workers};
use crate::lifecycle;

/// Releases locks of workers that ended while Redis was unavailable, or that were granted locks while they ended, and
/// restores the locks of live workers in a Redis that was emptied or restarted.
#[derive(Debug)]
pub struct Locks(pub App);

#[derive(Debug, Default, Serialize)]
pub struct LocksReport {
    /// Workers that hold locks.
    pub holders: usize,
    pub released: u64,
    /// Locks that were restored in Redis.
    pub restored: u64,
    /// Rows of ended workers that were deleted.
    pub deleted: u64,
}

impl Reconciler for Locks {
    type Report = LocksReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<LocksReport> {
        let Self(app) = self;
        let deleted = locks::remove_of_ended(&app.work_database)
            .await
            .context("deleting the lock rows of ended workers")?;
        let mut restored = 0;
        if !app.locks.are_complete().await? {
            restored = lifecycle::restore_locks(app)
                .await
                .context("restoring the locks")?;
        }
        // In this order: a holder was live when its lock was granted, so one that is not live now has ended.
        let holders = app.locks.holders().await?;
        if holders.is_empty() {
            return Ok(LocksReport {
                restored,
                deleted,
                ..LocksReport::default()
            });
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
            restored,
            deleted,
        };
        for worker in holders.into_iter().filter(|holder| !live.contains(holder)) {
            report.released += app.locks.release_all(worker).await?;
        }
        Ok(report)
    }
}
