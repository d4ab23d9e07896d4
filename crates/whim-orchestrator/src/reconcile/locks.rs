//! Locks of workers that ended, and locks that Redis lost.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde::Serialize;
use whim_core::WorkerId;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::{locks, workers};
use crate::lifecycle;

/// Releases what workers hold that ended while Redis was away, or that were granted locks while they ended. Puts those
/// of live workers back into a Redis that was emptied or restarted: nothing is granted before, but people look at it.
#[derive(Debug)]
pub struct Locks(pub App);

/// What was done.
#[derive(Debug, Default, Serialize)]
pub struct LocksReport {
    /// Workers that hold locks.
    pub holders: usize,
    /// Locks that were released.
    pub released: u64,
    /// Locks that Redis had lost.
    pub rebuilt: u64,
    /// Copies of locks that mean nothing any more.
    pub swept: u64,
}

impl Reconciler for Locks {
    type Report = LocksReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<LocksReport> {
        let Self(app) = self;
        let swept = locks::remove_of_ended(&app.work_database)
            .await
            .context("sweeping the copies of locks")?;
        let mut rebuilt = 0;
        if !app.locks.are_known().await? {
            rebuilt = lifecycle::rebuild_locks(app)
                .await
                .context("rebuilding the locks")?;
        }
        // In this order: who holds a lock was live when it was granted, so a holder that is not live by now has ended.
        let holders = app.locks.holders().await?;
        if holders.is_empty() {
            return Ok(LocksReport {
                rebuilt,
                swept,
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
            rebuilt,
            swept,
        };
        for worker in holders.into_iter().filter(|holder| !live.contains(holder)) {
            report.released += app.locks.release_all(worker).await?;
        }
        Ok(report)
    }
}
