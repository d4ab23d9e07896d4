//! Processes one issue.

use std::sync::Arc;

use tokio::sync::Notify;
use whim_client::{Client, Created};
use whim_core::protocol::work::{RequeueWork, WorkFilter, WorkItem};
use whim_core::{RepoName, SourceName, UserName};

use super::error::PollError;
use super::report::PollReport;
use crate::github::{GitHub, GitHubError, Issue};
use crate::labels::{self, LabelState, PROCESSING};
use crate::next_action::{Action, depends_on_comments, next_action};
use crate::reflect;
use crate::submission::{description, submission};

/// The issues of one repository.
pub(super) struct IssueProcessor {
    pub(super) repo: RepoName,
    pub(super) intake_label: String,
    pub(super) github: Arc<GitHub>,
    pub(super) client: Client,
    /// Notified when an item needs a spec.
    pub(super) spec_wanted: Arc<Notify>,
}

impl IssueProcessor {
    /// Reads the item and the comments that matter, and performs the next action.
    pub(super) async fn process(
        &self,
        issue: &Issue,
        state: LabelState,
        report: &mut PollReport,
    ) -> Result<(), PollError> {
        let item = match state {
            LabelState::Candidate => Some(match self.item_of(issue).await? {
                Some(item) => item,
                None => self.submit(issue, report).await?,
            }),
            LabelState::Processing | LabelState::Finished | LabelState::Ignored => {
                self.item_of(issue).await?
            }
        };
        let reflected = match &item {
            Some(item) if depends_on_comments(state, item) => self.is_reflected(issue, item).await?,
            Some(_) | None => false,
        };
        let action = next_action(state, &issue.labels, &self.intake_label, item.as_ref(), reflected);
        match (action, &item) {
            (Action::Nothing, _)
            | (Action::MarkProcessing | Action::Requeue { .. } | Action::Reflect, None) => {}
            (Action::MarkProcessing, Some(item)) => {
                reflect::update_labels(&self.github, &self.repo, issue, item.status).await?;
            }
            (Action::Requeue { after_run }, Some(item)) => {
                self.requeue(issue, item, after_run).await?;
                report.requeued += 1;
            }
            (Action::Reflect, Some(item)) => {
                reflect::reflect(&self.github, &self.repo, issue, item, reflected).await?;
                report.reflected += 1;
            }
            (Action::UnmarkProcessing, _) => {
                tracing::warn!(repo = %self.repo, issue = %issue.number, "the issue is labelled {PROCESSING}, but the orchestrator has no item for it: removing the label, so that the issue is submitted again");
                self.github
                    .remove_label(&self.repo, issue.number, PROCESSING)
                    .await?;
            }
        }
        Ok(())
    }

    /// Submits before it labels: after a kill in between, the next poll submits again and gets the same item.
    async fn submit(&self, issue: &Issue, report: &mut PollReport) -> Result<WorkItem, PollError> {
        let requested_by = self.requested_by(issue).await?;
        let submission = submission(&self.repo, issue, requested_by);
        let created = self.client.create_work(&submission).await?;
        if let Created::New(item) = &created {
            report.submitted += 1;
            tracing::info!(repo = %self.repo, issue = %issue.number, work_item = %item.id, "submitted an issue");
            self.spec_wanted.notify_one();
        }
        Ok(created.into_item())
    }

    /// After a kill before the label is set, the next poll finds a live item and sets it.
    async fn requeue(&self, issue: &Issue, item: &WorkItem, after_run: u32) -> Result<(), PollError> {
        let requeue = RequeueWork {
            after_run: Some(after_run),
            requested_by: self.requested_by(issue).await?,
            // The issue may have been edited since the run before.
            description: Some(description(issue)),
        };
        let item = self.client.requeue_work(item.id, &requeue).await?;
        tracing::info!(repo = %self.repo, issue = %issue.number, work_item = %item.id, after_run, "requeued an issue whose label was removed");
        self.spec_wanted.notify_one();
        reflect::update_labels(&self.github, &self.repo, issue, item.status).await?;
        Ok(())
    }

    /// The user who last requested a run with a label, or else the author of the issue.
    async fn requested_by(&self, issue: &Issue) -> Result<Option<UserName>, PollError> {
        let changes = match self.github.label_changes(&self.repo, issue.number).await {
            Ok(changes) => changes,
            // Too many events to read for a name.
            Err(GitHubError::TooManyPages { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(labels::requested_by(&changes, &self.intake_label)
            .or(issue.author.as_ref())
            .cloned())
    }

    async fn is_reflected(&self, issue: &Issue, item: &WorkItem) -> Result<bool, PollError> {
        let comments = self.github.comments(&self.repo, issue.number).await?;
        Ok(reflect::is_reflected(&comments, item))
    }

    async fn item_of(&self, issue: &Issue) -> Result<Option<WorkItem>, PollError> {
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
