//! What the runtime has that no row asks for, and what is old.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use whim_core::WorkerId;
use whim_service::chain::chain;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::workers;
use whim_runtime::AttemptState;

/// Terminate what runs for no live worker (its row is gone, or it ended and was taken for stopped), and removes what is
/// left of attempts that ended long ago. Only what this instance started.
#[derive(Debug)]
pub struct Garbage {
    app: App,
    stop: CancellationToken,
}

impl Garbage {
    pub(super) fn new(app: &App, stop: &CancellationToken) -> Self {
        Self {
            app: app.clone(),
            stop: stop.clone(),
        }
    }
}

/// What was done.
#[derive(Debug, Default, Serialize)]
pub struct GarbageReport {
    /// Attempts that the runtime knows.
    pub known: usize,
    /// Workers that ran for no row.
    pub stopped: Vec<WorkerId>,
    /// Workers that could not be stopped, and why.
    pub failed: Vec<(WorkerId, String)>,
    /// Attempts of which nothing is left.
    pub removed: u64,
}

impl Reconciler for Garbage {
    type Report = GarbageReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<GarbageReport> {
        let Self { app, stop } = self;
        // In this order: a worker has its row before it is started, so one that runs without a live row has ended.
        let attempts = app.runtime.list().await?;
        let live: BTreeSet<WorkerId> = workers::live(&app.work_database)
            .await
            .context("listing the live workers")?
            .into_iter()
            .map(|worker| worker.id)
            .collect();
        let awaiting = workers::awaiting_stop(&app.work_database, app.runtime.instance())
            .await
            .context("listing the workers that are to be stopped")?;
        // Those have a reconciler of their own, which knows how long they may still run.
        let expected: BTreeSet<WorkerId> = awaiting.into_iter().map(|worker| worker.id).chain(live).collect();

        let mut report = GarbageReport {
            known: attempts.len(),
            ..GarbageReport::default()
        };
        for attempt in attempts {
            let stray = attempt.state == AttemptState::Running && !expected.contains(&attempt.worker_id);
            if stray {
                tracing::warn!(worker_id = %attempt.worker_id, "a worker runs that no row knows as live");
                match stop
                    .run_until_cancelled(app.runtime.stop(attempt.worker_id))
                    .await
                {
                    Some(Ok(())) => report.stopped.push(attempt.worker_id),
                    Some(Err(error)) => report.failed.push((attempt.worker_id, chain(&error).to_string())),
                    None => return Ok(report),
                }
            }
        }
        report.removed = app
            .runtime
            .clean(app.config.lifecycle.log_retention)
            .await?
            .attempts;
        Ok(report)
    }
}
