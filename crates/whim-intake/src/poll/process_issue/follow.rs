//! Keeps the issue of a live item up to date, and the item up to date with the issue.

use chrono::Utc;
use whim_core::protocol::ErrorCode;
use whim_core::protocol::timeline::TimelineFilter;
use whim_core::protocol::work::{CancelWork, SetPriority, WorkItem};
use whim_core::{Priority, WorkItemStatus};

use super::IssueProcessor;
use crate::comment::{LiveState, live};
use crate::github::Issue;
use crate::labels::{PROCESSING, has};
use crate::poll::error::PollError;
use crate::poll::report::PollReport;
use crate::trust::{Stop, may_be_stopped, stop_request};

impl IssueProcessor {
    pub(super) async fn follow(
        &self,
        issue: &Issue,
        item: &WorkItem,
        report: &mut PollReport,
    ) -> Result<(), PollError> {
        if item.status.is_terminal() {
            return Ok(());
        }
        if may_be_stopped(issue, &self.intake_label) {
            let events = self.github.events(&self.repo, issue.number).await?;
            if let Some(stop) = stop_request(issue, &events, &self.intake_label) {
                return self.cancel(issue, item, &stop, report).await;
            }
        }
        self.update_labels(issue, item.status).await?;
        self.follow_priority(issue, item).await?;
        self.show_progress(issue, item).await
    }

    pub(super) async fn cancel(
        &self,
        issue: &Issue,
        item: &WorkItem,
        stop: &Stop,
        report: &mut PollReport,
    ) -> Result<(), PollError> {
        // The next poll finds the issue by this label, if this one ends before the outcome is posted.
        if !has(&issue.labels, PROCESSING) {
            self.github
                .add_label(&self.repo, issue.number, PROCESSING)
                .await?;
        }
        let cancel = CancelWork {
            reason: Some(stop.reason.text(&self.intake_label)),
            cancelled_by: stop.by.clone(),
        };
        let cancelled = match self.client.cancel_work(item.id, &cancel).await {
            Ok(cancelled) => cancelled,
            // It has just ended: the next poll posts the outcome.
            Err(error) if error.code() == Some(ErrorCode::WrongState) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        report.cancelled += 1;
        tracing::info!(repo = %self.repo, issue = %issue.number, work_item = %item.id, reason = ?stop.reason, by = stop.by, "cancelled an item");
        self.reflect(issue, &cancelled, report).await
    }

    /// A label of the issue decides; without one, the item keeps its priority.
    async fn follow_priority(&self, issue: &Issue, item: &WorkItem) -> Result<(), PollError> {
        let is_waiting = matches!(item.status, WorkItemStatus::Generating | WorkItemStatus::Queued);
        match Priority::from_labels(issue.labels.iter().map(String::as_str)) {
            Some(priority) if is_waiting && priority != item.priority => {
                let changed = self.client.set_priority(item.id, &SetPriority { priority }).await;
                match changed {
                    Err(error) if error.code() != Some(ErrorCode::WrongState) => Err(error.into()),
                    Ok(_) | Err(_) => Ok(()),
                }
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) async fn show_progress(&self, issue: &Issue, item: &WorkItem) -> Result<(), PollError> {
        if !self.comments.is_due(&self.repo, issue.number) {
            return Ok(());
        }
        let comments = self.read_comments(issue).await?;
        // With its checklist, which lists do not have.
        let item = self.client.get_work(item.id).await?;
        let (explanation, cost_usd) = match item.status {
            WorkItemStatus::Generating | WorkItemStatus::Queued => {
                (Some(self.client.explain_work(item.id).await?), None)
            }
            WorkItemStatus::Assigned | WorkItemStatus::InProgress => {
                let timeline = self
                    .client
                    .get_timeline(item.id, &TimelineFilter::default())
                    .await?;
                let costs = timeline.items.iter().map(|attempt| attempt.cost.total_usd);
                (None, Some(costs.sum()))
            }
            // It has just ended.
            WorkItemStatus::Completed | WorkItemStatus::Failed | WorkItemStatus::Cancelled => return Ok(()),
        };
        let state = LiveState {
            item: &item,
            explanation: explanation.as_ref(),
            cost_usd,
            notice: self.commands.notice(issue.number),
            now: Utc::now(),
        };
        let text = live(&state, &self.intake_label, self.dashboard_url.as_ref());
        let _written = self
            .comments
            .write(&self.repo, issue.number, comments.own.as_ref(), &text)
            .await?;
        Ok(())
    }
}
