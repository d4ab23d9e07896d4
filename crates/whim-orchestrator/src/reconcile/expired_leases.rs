//! Live workers that missed a deadline: registration, lease or progress.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use whim_core::{FailureCause, WorkerId};
use whim_runtime::AttemptState;
use whim_service::chain::chain;
use whim_service::reconcile::Reconciler;

use super::suspend::SuspendDetector;
use crate::app::App;
use crate::db::workers::{self, Expired, Overdue};
use crate::lifecycle::{AttemptEnd, EndedBy, Transition, end_attempt};

/// How long the runtime may take to list its workers.
const LIST_TIMEOUT: Duration = Duration::from_secs(5);

/// Ends workers that missed a deadline. Any orchestrator may do so; the one that started the worker stops it.
///
/// What the machine did is not held against them: after it was suspended, the workers of this instance get a full lease
/// first, and those of which the runtime observed the end are left to [`super::Reap`], which knows how they ended.
#[derive(Debug)]
pub struct ExpiredLeases {
    app: App,
    suspend: SuspendDetector,
}

/// What was done.
#[derive(Debug, Default, Serialize)]
pub struct ExpiredLeasesReport {
    /// Leases that were renewed because the machine had been suspended.
    pub renewed: u64,
    pub ended: Vec<WorkerId>,
}

impl Reconciler for ExpiredLeases {
    type Report = ExpiredLeasesReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<ExpiredLeasesReport> {
        let app = &self.app;
        let mut report = ExpiredLeasesReport {
            renewed: self.renew_after_suspension().await?,
            ended: Vec::new(),
        };
        let expired = workers::expired(&app.work_database, app.config.lifecycle.progress_deadline)
            .await
            .context("listing the workers that missed a deadline")?;
        let states = self.states_of_own(&expired).await;
        for Expired { id, overdue, .. } in expired {
            if let Some(AttemptState::Ended(_)) = states.get(&id) {
                app.wakers.reap.activate();
                continue;
            }
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
    pub fn new(app: &App, suspend: SuspendDetector) -> Self {
        Self {
            app: app.clone(),
            suspend,
        }
    }

    /// Workers of this instance were suspended together with it, and could not send heartbeats.
    async fn renew_after_suspension(&self) -> anyhow::Result<u64> {
        let Some(suspended) = self.suspend.suspended_for() else {
            return Ok(0);
        };
        let (app, lease) = (&self.app, self.app.config.lifecycle.stale_threshold);
        let renewed = workers::renew_leases(&app.work_database, app.runtime.instance(), lease)
            .await
            .context("renewing leases after the machine was suspended")?;
        tracing::warn!(
            suspended_seconds = suspended.as_secs(),
            leases = renewed,
            "the machine was suspended; the leases of its workers are renewed"
        );
        Ok(renewed)
    }

    /// What the runtime knows of the expired workers that this instance started; nothing while it is unavailable.
    async fn states_of_own(&self, expired: &[Expired]) -> BTreeMap<WorkerId, AttemptState> {
        let runtime = &self.app.runtime;
        if !expired.iter().any(|worker| worker.instance == runtime.instance()) {
            return BTreeMap::new();
        }
        match tokio::time::timeout(LIST_TIMEOUT, runtime.list()).await {
            Ok(Ok(attempts)) => attempts
                .into_iter()
                .map(|attempt| (attempt.worker_id, attempt.state))
                .collect(),
            Ok(Err(error)) => {
                tracing::debug!(error = %chain(&error), "the runtime cannot list its workers");
                BTreeMap::new()
            }
            Err(_elapsed) => {
                tracing::debug!("the runtime did not list its workers in time");
                BTreeMap::new()
            }
        }
    }

    fn judge(&self, overdue: Overdue) -> (FailureCause, String) {
        let config = &self.app.config.lifecycle;
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
                    "The worker sent no heartbeat for {} s.",
                    config.stale_threshold.as_secs_f64()
                ),
            ),
            Overdue::Progress => (
                FailureCause::Stuck,
                format!(
                    "The worker is alive, but made no progress for {} s.",
                    config.progress_deadline.as_secs_f64()
                ),
            ),
        }
    }
}
