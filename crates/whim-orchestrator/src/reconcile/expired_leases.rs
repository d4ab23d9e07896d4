//! Live workers that are too late: with their registration, their heartbeats, or with getting anything done.

use anyhow::Context as _;
use serde::Serialize;
use whim_core::{FailureCause, WorkerId};
use whim_service::reconcile::Reconciler;

use crate::app::App;
use crate::db::workers::{self, Expired, Overdue};
use crate::lifecycle::{AttemptEnd, EndedBy, Transition, end_attempt};

/// Ends workers whose lease ended, that never registered, or that make no progress. Whichever orchestrator comes first
/// does it; the one that owns the runtime stops what is left of them.
#[derive(Debug)]
pub struct ExpiredLeases(pub App);

/// What was done.
#[derive(Debug, Default, Serialize)]
pub struct ExpiredLeasesReport {
    /// Workers that were ended.
    pub ended: Vec<WorkerId>,
}

impl Reconciler for ExpiredLeases {
    type Report = ExpiredLeasesReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<ExpiredLeasesReport> {
        let Self(app) = self;
        let deadline = app.config.lifecycle.progress_deadline;
        let expired = workers::expired(&app.work_database, deadline)
            .await
            .context("listing the workers that are too late")?;
        let mut report = ExpiredLeasesReport::default();
        for Expired { id, overdue } in expired {
            let (cause, reason) = self.judge(overdue);
            let end = AttemptEnd {
                cause,
                reason,
                retry_after: None,
                by: EndedBy::Reconciler,
            };
            match end_attempt(app, id, &end).await? {
                Transition::Done(_) => report.ended.push(id),
                Transition::Late { .. } | Transition::Gone => {}
            }
        }
        Ok(report)
    }
}

impl ExpiredLeases {
    fn judge(&self, overdue: Overdue) -> (FailureCause, String) {
        let config = &self.0.config.lifecycle;
        match overdue {
            Overdue::Registration => (
                FailureCause::Lost,
                format!(
                    "The worker was started and did not register within {} s.",
                    config.register_timeout.as_secs_f64()
                ),
            ),
            Overdue::Lease => (
                FailureCause::Lost,
                format!(
                    "The worker gave no sign of life for {} s.",
                    config.stale_threshold.as_secs_f64()
                ),
            ),
            Overdue::Progress => (
                FailureCause::Stuck,
                format!(
                    "The worker lives, but nothing happened for {} s.",
                    config.progress_deadline.as_secs_f64()
                ),
            ),
        }
    }
}
