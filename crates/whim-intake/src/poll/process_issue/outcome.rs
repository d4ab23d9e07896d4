//! Posts the outcome of an item on its issue: the comment, and the labels.

use whim_core::WorkItemStatus;
use whim_core::protocol::work::WorkItem;

use super::{Comments, IssueProcessor};
use crate::comment::{Outcome, Refusal, Written, outcome, states_outcome};
use crate::github::Issue;
use crate::poll::error::PollError;
use crate::poll::report::PollReport;

impl IssueProcessor {
    /// Writes the comment, unless that was done before, and then updates the labels. After a kill between two calls, the next
    /// poll continues.
    pub(super) async fn reflect(
        &self,
        issue: &Issue,
        item: &WorkItem,
        report: &mut PollReport,
    ) -> Result<(), PollError> {
        let comments = self.read_comments(issue).await?;
        if !states_outcome(comments.own.as_ref(), item)
            && self.write_outcome(issue, item, &comments, None).await? == Written::Deferred
        {
            return Ok(());
        }
        self.update_labels(issue, item.status).await?;
        report.reflected += 1;
        tracing::info!(repo = %self.repo, issue = %issue.number, work_item = %item.id, run = item.run, status = %item.status, "posted the outcome on the issue");
        Ok(())
    }

    /// Writes the comment on an ended item, with the notice of the latest command.
    pub(super) async fn write_outcome(
        &self,
        issue: &Issue,
        item: &WorkItem,
        comments: &Comments,
        refusal: Option<&Refusal>,
    ) -> Result<Written, PollError> {
        let open_pull_request = match item.status {
            // Its worker may have opened it before it learned of the cancellation.
            WorkItemStatus::Cancelled => self.github.open_pull_request(&self.repo, &item.branch).await?,
            WorkItemStatus::Completed
            | WorkItemStatus::Failed
            | WorkItemStatus::Generating
            | WorkItemStatus::Queued
            | WorkItemStatus::Assigned
            | WorkItemStatus::InProgress => None,
        };
        let notes = self.client.list_notes(item.id).await?.notes;
        let undelivered = notes
            .iter()
            .filter(|note| note.run == item.run && note.delivered_at.is_none());
        let ended = Outcome {
            item,
            open_pull_request,
            refusal,
            undelivered_notes: undelivered.count(),
            notice: self.commands.notice(issue.number),
        };
        let text = outcome(issue, ended, &self.intake_label);
        let own = comments.own.as_ref();
        Ok(self.comments.write(&self.repo, issue.number, own, &text).await?)
    }
}
