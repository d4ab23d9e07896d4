//! Starts the run that a person requested, or says why not.

use whim_client::Created;
use whim_core::protocol::work::{RequeueWork, WorkItem};

use super::judge::Judgement;
use super::{Comments, IssueProcessor};
use crate::comment::{Refusal, Written, not_started};
use crate::github::Issue;
use crate::labels::{REFUSED, has};
use crate::poll::error::PollError;
use crate::poll::report::PollReport;
use crate::submission::{ApprovedText, submission};

impl IssueProcessor {
    /// Submits before it labels: after a kill in between, the next poll finds the item.
    pub(super) async fn submit(&self, issue: &Issue, report: &mut PollReport) -> Result<(), PollError> {
        let comments = self.read_comments(issue).await?;
        let text = match self.judge(issue, &comments, None).await? {
            Judgement::Approved(text) => text,
            Judgement::Refused(refusal) => return self.refuse(issue, &comments, &refusal, report).await,
            Judgement::NotYet | Judgement::NoNewRequest => return Ok(()),
        };
        let submission = submission(&self.repo, issue, text);
        let created = self.client.create_work(&submission).await?;
        if let Created::New(item) = &created {
            report.submitted += 1;
            tracing::info!(repo = %self.repo, issue = %issue.number, work_item = %item.id, "submitted an issue");
            self.spec_wanted.notify_one();
        }
        self.follow(issue, &created.into_item(), report).await
    }

    /// After a kill before the label is set, the next poll finds a live item and sets it.
    pub(super) async fn requeue(
        &self,
        issue: &Issue,
        item: &WorkItem,
        after_run: u32,
        report: &mut PollReport,
    ) -> Result<(), PollError> {
        let comments = self.read_comments(issue).await?;
        let previous = item.metadata.approval.as_ref();
        let text = match self.judge(issue, &comments, previous).await? {
            Judgement::Approved(text) => text,
            Judgement::Refused(refusal) => {
                return self
                    .refuse_another_run(issue, item, &comments, &refusal, report)
                    .await;
            }
            Judgement::NotYet => return Ok(()),
            // The label disappeared without a request, for example with the label itself.
            Judgement::NoNewRequest => return self.update_labels(issue, item.status).await,
        };
        self.start_run(issue, item, after_run, text, report).await
    }

    pub(super) async fn start_run(
        &self,
        issue: &Issue,
        item: &WorkItem,
        after_run: u32,
        text: ApprovedText,
        report: &mut PollReport,
    ) -> Result<(), PollError> {
        let requeue = RequeueWork {
            after_run: Some(after_run),
            requested_by: Some(text.approval.approved_by.clone()),
            description: Some(text.description),
            approval: Some(text.approval),
        };
        let item = self.client.requeue_work(item.id, &requeue).await?;
        report.requeued += 1;
        tracing::info!(repo = %self.repo, issue = %issue.number, work_item = %item.id, after_run, "requeued an issue");
        self.spec_wanted.notify_one();
        self.commands.memory().notices.remove(&issue.number);
        self.follow(issue, &item, report).await
    }

    async fn refuse(
        &self,
        issue: &Issue,
        comments: &Comments,
        refusal: &Refusal,
        report: &mut PollReport,
    ) -> Result<(), PollError> {
        let text = not_started(refusal, &self.intake_label);
        let written = self
            .comments
            .write(&self.repo, issue.number, comments.own.as_ref(), &text);
        if written.await? == Written::Deferred {
            return Ok(());
        }
        match refusal {
            Refusal::NotAllowed { .. } if has(&issue.labels, REFUSED) => return Ok(()),
            Refusal::NotAllowed { by } => {
                tracing::warn!(repo = %self.repo, issue = %issue.number, by, "refused a request of a user who may not write");
                self.github.add_label(&self.repo, issue.number, REFUSED).await?;
            }
            Refusal::Edited(_) => self.ask_again(issue).await?,
        }
        report.refused += 1;
        Ok(())
    }

    /// Keeps the outcome of the run before.
    async fn refuse_another_run(
        &self,
        issue: &Issue,
        item: &WorkItem,
        comments: &Comments,
        refusal: &Refusal,
        report: &mut PollReport,
    ) -> Result<(), PollError> {
        let written = self.write_outcome(issue, item, comments, Some(refusal)).await?;
        if written == Written::Deferred {
            return Ok(());
        }
        report.refused += 1;
        tracing::warn!(repo = %self.repo, issue = %issue.number, work_item = %item.id, ?refusal, "refused a request for another run");
        match refusal {
            Refusal::NotAllowed { .. } => self.update_labels(issue, item.status).await,
            Refusal::Edited(_) => self.ask_again(issue).await,
        }
    }

    /// Removes the intake label, so that a person reads the text again and adds it. [`REFUSED`] stays until then: its removal
    /// would look like a request if the label was added again meanwhile.
    async fn ask_again(&self, issue: &Issue) -> Result<(), PollError> {
        tracing::info!(repo = %self.repo, issue = %issue.number, "the issue was edited after its request: asking for the label again");
        let label = &self.intake_label;
        self.github.remove_label(&self.repo, issue.number, label).await?;
        Ok(())
    }
}
