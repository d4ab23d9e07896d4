//! Workers that ended in the database, while their process or container may still run.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use futures::stream::{self, StreamExt as _};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use whim_core::WorkerId;
use whim_service::chain::chain;
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::workers::{self, AwaitingStop};
use whim_runtime::AttemptState;

/// Workers that are stopped concurrently: each may take its whole grace period.
const CONCURRENCY: usize = 16;

/// Stops the workers of this instance that were killed, cancelled or lost, and those that sent a final report and do not
/// exit. They have ended in the database before, so the way their processes exit changes nothing.
#[derive(Debug)]
pub struct Terminate {
    app: App,
    stop: CancellationToken,
}

#[derive(Debug, Default, Serialize)]
pub struct TerminateReport {
    /// Workers of which nothing runs.
    pub stopped: Vec<WorkerId>,
    /// Workers that still have time to exit by themselves, or are being started.
    pub waiting: usize,
    /// Workers that could not be stopped, with the error.
    pub failed: Vec<(WorkerId, String)>,
}

enum Outcome {
    Stopped(WorkerId),
    Waiting,
    Failed(WorkerId, String),
}

impl Reconciler for Terminate {
    type Report = TerminateReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<TerminateReport> {
        let app = &self.app;
        let awaiting = workers::awaiting_stop(&app.work_database, app.runtime.instance())
            .await
            .context("listing the workers to stop")?;
        if awaiting.is_empty() {
            return Ok(TerminateReport::default());
        }
        let in_flight_starts = app.in_flight_starts.snapshot();
        let running: BTreeSet<WorkerId> = app
            .runtime
            .list()
            .await?
            .into_iter()
            .filter(|attempt| attempt.state == AttemptState::Running)
            .map(|attempt| attempt.worker_id)
            .collect();

        let outcomes: Vec<Outcome> = stream::iter(awaiting)
            .map(|worker| self.stop(worker, &in_flight_starts, &running))
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        let mut report = TerminateReport::default();
        for outcome in outcomes {
            match outcome {
                Outcome::Stopped(worker) => report.stopped.push(worker),
                Outcome::Waiting => report.waiting += 1,
                Outcome::Failed(worker, why) => {
                    tracing::error!(worker_id = %worker, error = why, "a worker could not be stopped and may still run");
                    report.failed.push((worker, why));
                }
            }
        }
        Ok(report)
    }
}

impl Terminate {
    pub(super) fn new(app: &App, stop: &CancellationToken) -> Self {
        Self {
            app: app.clone(),
            stop: stop.clone(),
        }
    }

    /// How long a worker may take to exit after its final report.
    fn exit_timeout(&self) -> Duration {
        self.app.config.runtime.stop_grace * 3
    }

    async fn stop(
        &self,
        worker: AwaitingStop,
        in_flight_starts: &BTreeSet<WorkerId>,
        running: &BTreeSet<WorkerId>,
    ) -> Outcome {
        let app = &self.app;
        if in_flight_starts.contains(&worker.id) {
            return Outcome::Waiting;
        }
        if running.contains(&worker.id) {
            if !worker.stop_requested && worker.ended_ago < self.exit_timeout() {
                return Outcome::Waiting;
            }
            // The stop continues without this future; a later run reads its result.
            match self.stop.run_until_cancelled(app.runtime.stop(worker.id)).await {
                Some(Ok(())) => {}
                Some(Err(error)) => return Outcome::Failed(worker.id, chain(&error).to_string()),
                None => return Outcome::Waiting,
            }
        }
        match workers::mark_stopped(&app.work_database, worker.id).await {
            Ok(()) => Outcome::Stopped(worker.id),
            Err(error) => Outcome::Failed(worker.id, chain(&error).to_string()),
        }
    }
}
