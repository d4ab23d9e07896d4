//! Looks at one repository and does what its issues ask for. Remembers nothing between two looks.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::{Mutex, Notify};
use whim_client::{Client, ClientError, Created};
use whim_core::protocol::ErrorCode;
use whim_core::protocol::work::{RequeueWork, WorkFilter, WorkItem};
use whim_core::{RepoName, SourceName};
use whim_service::chain::chain;
use whim_service::readiness::Latch;
use whim_service::reconcile::Reconciler;

use crate::decide::{self, Action};
use crate::github::{GitHub, GitHubError, Issue, IssueState};
use crate::labels::{self, PROCESSING};
use crate::reflect;
use crate::submit::submission;

/// Makes a repository's issues and the orchestrator's items agree.
pub(crate) struct Repository {
    pub(crate) repo: RepoName,
    pub(crate) intake_label: String,
    pub(crate) github: Arc<GitHub>,
    pub(crate) client: Client,
    /// Told when an item was submitted that needs a spec.
    pub(crate) spec_wanted: Arc<Notify>,
    /// Released after the first look.
    pub(crate) first_look: Mutex<Option<Latch>>,
}

/// What a look at a repository came to.
#[derive(Debug, Default, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LookReport {
    pub(crate) candidates: usize,
    pub(crate) processing: usize,
    pub(crate) submitted: usize,
    pub(crate) requeued: usize,
    pub(crate) reflected: usize,
    pub(crate) failed: usize,
}

/// A step for one issue, or a whole look, failed. The next look is the retry.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    /// GitHub's part.
    #[error("asking GitHub")]
    GitHub(#[from] GitHubError),
    /// The orchestrator's part.
    #[error("asking the orchestrator")]
    Orchestrator(#[from] ClientError),
}

impl LookError {
    /// Whether the other issues would fail the same way: then the look ends here.
    fn concerns_all_issues(&self) -> bool {
        match self {
            Self::GitHub(error) => error.concerns_all_calls(),
            Self::Orchestrator(error) => {
                error.is_temporary()
                    || matches!(error.code(), Some(ErrorCode::Unauthorized | ErrorCode::Forbidden))
            }
        }
    }
}

impl Reconciler for Repository {
    type Report = LookReport;
    type Error = LookFailure;

    async fn reconcile(&self) -> Result<LookReport, LookFailure> {
        let report = self.look().await;
        if let Some(latch) = self.first_look.lock().await.take() {
            latch.release();
        }
        report.map_err(|error| LookFailure {
            text: chain(&error).to_string(),
        })
    }
}

/// The failure of a whole look, with its causes.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct LookFailure {
    text: String,
}

impl Repository {
    async fn look(&self) -> Result<LookReport, LookError> {
        let mut report = LookReport::default();
        let processing = self
            .github
            .issues(&self.repo, PROCESSING, IssueState::All)
            .await?;
        report.processing = processing.len();
        for issue in &processing {
            let step = self.attend_processing(issue, &mut report).await;
            self.note(issue, step, &mut report)?;
        }
        let open = self
            .github
            .issues(&self.repo, &self.intake_label, IssueState::Open)
            .await?;
        for issue in open
            .iter()
            .filter(|issue| labels::is_candidate(&issue.labels, &self.intake_label))
        {
            report.candidates += 1;
            let step = self.attend_candidate(issue, &mut report).await;
            self.note(issue, step, &mut report)?;
        }
        Ok(report)
    }

    /// One issue's trouble is no other issue's.
    fn note(
        &self,
        issue: &Issue,
        step: Result<(), LookError>,
        report: &mut LookReport,
    ) -> Result<(), LookError> {
        match step {
            Ok(()) => Ok(()),
            Err(error) if error.concerns_all_issues() => Err(error),
            Err(error) => {
                report.failed += 1;
                tracing::warn!(repo = %self.repo, issue = %issue.number, error = %chain(&error), "an issue could not be attended to; the next look tries again");
                Ok(())
            }
        }
    }

    /// Submits first and labels second: killed in between, the next look submits again, and gets the same item.
    async fn attend_candidate(&self, issue: &Issue, report: &mut LookReport) -> Result<(), LookError> {
        let created = self.client.create_work(&submission(&self.repo, issue)).await?;
        if let Created::New(item) = &created {
            report.submitted += 1;
            tracing::info!(repo = %self.repo, issue = %issue.number, work_item = %item.id, "submitted an issue");
            self.spec_wanted.notify_one();
        }
        let item = created.into_item();
        let reflected = item.status.is_terminal() && self.is_reflected(issue, &item).await?;
        self.act(
            decide::about_candidate(&item, reflected),
            issue,
            Some(&item),
            report,
        )
        .await
    }

    async fn attend_processing(&self, issue: &Issue, report: &mut LookReport) -> Result<(), LookError> {
        let item = self.item_of(issue).await?;
        let action = decide::about_processing(&issue.labels, &self.intake_label, item.as_ref());
        self.act(action, issue, item.as_ref(), report).await
    }

    async fn act(
        &self,
        action: Action,
        issue: &Issue,
        item: Option<&WorkItem>,
        report: &mut LookReport,
    ) -> Result<(), LookError> {
        match (action, item) {
            (Action::Nothing, _) | (Action::Requeue { .. } | Action::Reflect, None) => {}
            (Action::MarkProcessing, _) => {
                self.github
                    .add_label(&self.repo, issue.number, PROCESSING)
                    .await?
            }
            (Action::Requeue { after_run }, Some(item)) => {
                self.client
                    .requeue_work(
                        item.id,
                        &RequeueWork {
                            after_run: Some(after_run),
                        },
                    )
                    .await?;
                report.requeued += 1;
                tracing::info!(repo = %self.repo, issue = %issue.number, work_item = %item.id, after_run, "a person asked for another run");
                self.spec_wanted.notify_one();
                self.github
                    .add_label(&self.repo, issue.number, PROCESSING)
                    .await?;
            }
            (Action::Reflect, Some(item)) => {
                let commented = self.is_reflected(issue, item).await?;
                reflect::reflect(&self.github, &self.repo, issue, item, commented).await?;
                report.reflected += 1;
            }
            (Action::UnmarkProcessing, _) => {
                tracing::warn!(repo = %self.repo, issue = %issue.number, "the issue is labelled {PROCESSING}, but the orchestrator has no item for it: taking the label off, so that it is picked up again");
                self.github
                    .remove_label(&self.repo, issue.number, PROCESSING)
                    .await?;
            }
        }
        Ok(())
    }

    async fn is_reflected(&self, issue: &Issue, item: &WorkItem) -> Result<bool, LookError> {
        Ok(reflect::is_reflected(
            &self.github.comments(&self.repo, issue.number).await?,
            item,
        ))
    }

    async fn item_of(&self, issue: &Issue) -> Result<Option<WorkItem>, LookError> {
        let filter = WorkFilter {
            repo: Some(self.repo.clone()),
            source: Some(SourceName::github()),
            source_ref: Some(issue.number.to_string()),
            limit: Some(1),
            ..WorkFilter::default()
        };
        Ok(self.client.list_work(&filter).await?.items.into_iter().next())
    }
}
