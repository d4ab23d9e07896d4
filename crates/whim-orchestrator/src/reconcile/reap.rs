//! Live workers of which the runtime has nothing left.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Serialize;
use whim_core::{FailureCause, WorkerId};
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::workers;
use crate::lifecycle::{AttemptEnd, EndedBy, Transition, end_attempt};
use whim_runtime::{Attempt, AttemptState};

/// Ends the live workers of this instance whose process or container has ended, or does not exist: the runtime's word
/// is what makes a dead worker known within a second. A worker that had ended in the rows before is none of these,
/// however its process ended (`FAULTS.md`, row 12).
#[derive(Debug)]
pub struct Reap(pub App);

/// What was done.
#[derive(Debug, Default, Serialize)]
pub struct ReapReport {
    /// Live workers of this instance.
    pub live: usize,
    /// Those that were ended.
    pub ended: Vec<WorkerId>,
}

impl Reconciler for Reap {
    type Report = ReapReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<ReapReport> {
        let Self(app) = self;
        // In this order: a worker that is in the rows by now and not being started any more was started, so the runtime
        // knows it.
        let mut mine = workers::live(&app.work_database)
            .await
            .context("listing the live workers")?;
        mine.retain(|worker| worker.instance == app.runtime.instance());
        if mine.is_empty() {
            return Ok(ReapReport::default());
        }
        let in_flight_starts = app.in_flight_starts.snapshot();
        let states: BTreeMap<WorkerId, AttemptState> = app
            .runtime
            .list()
            .await?
            .into_iter()
            .map(|Attempt { worker_id, state }| (worker_id, state))
            .collect();

        let mut report = ReapReport {
            live: mine.len(),
            ended: Vec::new(),
        };
        for worker in mine
            .iter()
            .filter(|worker| !in_flight_starts.contains(&worker.id))
        {
            let (cause, reason) = match states.get(&worker.id) {
                Some(AttemptState::Running) => continue,
                Some(AttemptState::Ended(exit)) => (
                    exit.cause(),
                    format!("The worker ended without a report: {exit}."),
                ),
                None => (
                    FailureCause::Lost,
                    "The worker is not there any more, or was never started.".to_owned(),
                ),
            };
            let end = AttemptEnd {
                cause,
                reason,
                retry_after: None,
                by: EndedBy::Exit,
            };
            match end_attempt(app, worker.id, &end).await? {
                Transition::Done(_) => {
                    // Some wait for nothing.
                    app.wakers.retries.activate();
                    report.ended.push(worker.id);
                }
                Transition::Late { .. } | Transition::Gone => {}
            }
        }
        Ok(report)
    }
}
