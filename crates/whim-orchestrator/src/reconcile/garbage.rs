//! Garbage collection in the runtime: orphaned workers and old attempts.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use whim_core::WorkerId;
use whim_service::chain::chain;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::workers;
use whim_runtime::{AttemptState, Cleaned};

/// Stops processes and containers that belong to no live worker (its row was deleted, or it ended and counts as
/// stopped), and removes the remains of old attempts. Only of what this instance started.
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

#[derive(Debug, Default, Serialize)]
pub struct GarbageReport {
    /// Attempts that the runtime lists.
    pub known: usize,
    /// Orphans that were stopped.
    pub stopped: Vec<WorkerId>,
    /// Orphans that could not be stopped, with the error.
    pub failed: Vec<(WorkerId, String)>,
    /// Ended attempts that were removed.
    pub cleaned: Cleaned,
}

impl Reconciler for Garbage {
    type Report = GarbageReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<GarbageReport> {
        let Self { app, stop } = self;
        // In this order: a worker's row exists before it is started, so one without a live row has ended.
        let attempts = app.runtime.list().await?;
        let live: BTreeSet<WorkerId> = workers::live(&app.work_database)
            .await
            .context("listing the live workers")?
            .into_iter()
            .map(|worker| worker.id)
            .collect();
        let awaiting = workers::awaiting_stop(&app.work_database, app.runtime.instance())
            .await
            .context("listing the workers to stop")?;
        // Workers to stop have a reconciler of their own, which knows how long they may still run.
        let expected: BTreeSet<WorkerId> = awaiting.into_iter().map(|worker| worker.id).chain(live).collect();

        let mut report = GarbageReport {
            known: attempts.len(),
            ..GarbageReport::default()
        };
        for attempt in attempts {
            let is_orphan = attempt.state == AttemptState::Running && !expected.contains(&attempt.worker_id);
            if is_orphan {
                tracing::warn!(worker_id = %attempt.worker_id, "stopping a worker that is not live in the database");
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
        report.cleaned = app.runtime.clean(app.config.retention.logs).await?;
        let attempts = report.cleaned.removed_for_space;
        if attempts > 0 {
            tracing::warn!(
                attempts,
                "removed ended attempts early, because less disk space than WORKSPACES_MIN_FREE is free"
            );
        }
        Ok(report)
    }
}
