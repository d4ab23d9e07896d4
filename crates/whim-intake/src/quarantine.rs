//! Reports to the orchestrator what became of the pull requests that learnings wait for.
//!
//! The orchestrator has no access to GitHub. It lists the items, and decides what a merge means.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use whim_client::Client;
use whim_core::protocol::learnings::{PullRequestOutcome, QuarantineDecision, QuarantinedItem};
use whim_service::chain::chain;
use whim_service::reconcile::Reconciler;

use crate::github::{GitHub, GitHubError};

#[derive(Debug)]
pub(crate) struct Quarantine {
    pub(crate) github: Arc<GitHub>,
    pub(crate) client: Client,
    pub(crate) stop: CancellationToken,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuarantineReport {
    /// Items by what became of their pull request.
    merged: u32,
    closed: u32,
    pending: u32,
    /// GitHub has no such repository or pull request.
    missing: u32,
    /// GitHub did not answer for this item.
    failed: u32,
}

impl Reconciler for Quarantine {
    type Report = QuarantineReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<QuarantineReport> {
        let page = self
            .client
            .learnings_quarantine()
            .await
            .context("listing items whose learnings wait")?;
        let mut report = QuarantineReport::default();
        let mut first_error = None;
        for item in page.items {
            if self.stop.is_cancelled() {
                break;
            }
            let (outcome, counted) = match self.outcome(&item).await {
                Ok(Some(PullRequestOutcome::Merged)) => (PullRequestOutcome::Merged, &mut report.merged),
                Ok(Some(PullRequestOutcome::Closed)) => (PullRequestOutcome::Closed, &mut report.closed),
                Ok(Some(PullRequestOutcome::Pending)) => (PullRequestOutcome::Pending, &mut report.pending),
                Ok(None) | Err(GitHubError::NotFound { .. }) => {
                    (PullRequestOutcome::Pending, &mut report.missing)
                }
                Err(error) if error.affects_all_calls() => {
                    return Err(error).context("asking for a pull request");
                }
                // It waits until the others had their turn: those that were not asked for longest come first.
                Err(error) => {
                    tracing::warn!(
                        work_item_id = %item.work_item_id, repo = %item.repo, error = %chain(&error),
                        "asking for a pull request failed"
                    );
                    first_error.get_or_insert(error);
                    (PullRequestOutcome::Pending, &mut report.failed)
                }
            };
            *counted += 1;
            let decision = QuarantineDecision { outcome };
            self.client
                .decide_quarantine(item.work_item_id, decision)
                .await
                .context("reporting what became of a pull request")?;
        }
        match first_error {
            Some(error) => Err(error).with_context(|| format!("asking for {} pull requests", report.failed)),
            None => Ok(report),
        }
    }
}

impl Quarantine {
    async fn outcome(&self, item: &QuarantinedItem) -> Result<Option<PullRequestOutcome>, GitHubError> {
        let outcomes: BTreeMap<_, _> = self
            .github
            .pull_request_outcomes(&item.repo, &item.branch)
            .await?
            .into_iter()
            .collect();
        Ok(outcomes.get(&item.pr_number).copied())
    }
}
