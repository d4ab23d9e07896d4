//! What is done about one issue.

use whim_client::Created;
use whim_core::protocol::work::{RequeueWork, WorkFilter, WorkItem};
use whim_core::{SourceName, UserName};

use super::{LookError, LookReport, Repository};
use crate::decide::{self, Action};
use crate::github::{GitHubError, Issue};
use crate::labels::{self, PROCESSING, Standing};
use crate::reflect;
use crate::submit::{description, submission};

impl Repository {
    /// Looks at what is there about the issue, and does the next thing.
    pub(super) async fn attend(
        &self,
        issue: &Issue,
        standing: Standing,
        report: &mut LookReport,
    ) -> Result<(), LookError> {
        let item = match standing {
            Standing::Candidate => Some(match self.item_of(issue).await? {
                Some(item) => item,
                None => self.submit(issue, report).await?,
            }),
            Standing::Processing | Standing::Finished | Standing::Apart => self.item_of(issue).await?,
        };
        let reflected = match &item {
            Some(item) if decide::depends_on_comments(standing, item) => {
                self.is_reflected(issue, item).await?
            }
            Some(_) | None => false,
        };
        let action = decide::next(
            standing,
            &issue.labels,
            &self.intake_label,
            item.as_ref(),
            reflected,
        );
        match (action, &item) {
            (Action::Nothing, _)
            | (Action::MarkProcessing | Action::Requeue { .. } | Action::Reflect, None) => {}
            (Action::MarkProcessing, Some(item)) => {
                reflect::show_status(&self.github, &self.repo, issue, item.status).await?;
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
                tracing::warn!(repo = %self.repo, issue = %issue.number, "the issue is labelled {PROCESSING}, but the orchestrator has no item for it: taking the label off, so that it is picked up again");
                self.github
                    .remove_label(&self.repo, issue.number, PROCESSING)
                    .await?;
            }
        }
        Ok(())
    }

    /// Submits first and labels second: killed in between, the next look submits again, and gets the same item.
    async fn submit(&self, issue: &Issue, report: &mut LookReport) -> Result<WorkItem, LookError> {
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

    /// Killed before the label is there, the next look finds a live item and labels it.
    async fn requeue(&self, issue: &Issue, item: &WorkItem, after_run: u32) -> Result<(), LookError> {
        let requeue = RequeueWork {
            after_run: Some(after_run),
            requested_by: self.requested_by(issue).await?,
            // A person who reworded the issue before asking again wants what it says now.
            description: Some(description(issue)),
        };
        let item = self.client.requeue_work(item.id, &requeue).await?;
        tracing::info!(repo = %self.repo, issue = %issue.number, work_item = %item.id, after_run, "a person asked for another run");
        self.spec_wanted.notify_one();
        reflect::show_status(&self.github, &self.repo, issue, item.status).await?;
        Ok(())
    }

    /// Who asked for Whim: whoever put the label on last, or else whoever filed the issue.
    async fn requested_by(&self, issue: &Issue) -> Result<Option<UserName>, LookError> {
        let changes = match self.github.label_changes(&self.repo, issue.number).await {
            Ok(changes) => changes,
            // Nobody reads that many events for a name.
            Err(GitHubError::TooManyPages { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(labels::asked_by(&changes, &self.intake_label)
            .or(issue.author.as_ref())
            .cloned())
    }

    async fn is_reflected(&self, issue: &Issue, item: &WorkItem) -> Result<bool, LookError> {
        let comments = self.github.comments(&self.repo, issue.number).await?;
        Ok(reflect::is_reflected(&comments, item))
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
