//! Processes one issue.

mod commands;
mod follow;
mod judge;
mod outcome;
mod start;

use std::sync::Arc;

use tokio::sync::Notify;
use url::Url;
use whim_client::Client;
use whim_core::protocol::work::{WorkFilter, WorkItem};
use whim_core::{RepoName, SourceName, WorkItemStatus};

use super::command_memory::CommandMemory;
use super::error::PollError;
use super::report::PollReport;
use crate::comment::{CommentWriter, own_comment, states_outcome};
use crate::github::{Comment, GitHub, Issue};
use crate::labels::{LabelState, LabelUpdate, PROCESSING};
use crate::next_action::{Action, depends_on_comments, next_action};
use crate::trust::People;

/// The issues of one repository.
pub(super) struct IssueProcessor {
    pub(super) repo: RepoName,
    pub(super) intake_label: String,
    /// Of the dashboard, for links.
    pub(super) dashboard_url: Option<Url>,
    pub(super) github: Arc<GitHub>,
    pub(super) people: Arc<People>,
    pub(super) comments: Arc<CommentWriter>,
    pub(super) client: Client,
    /// Notified when an item needs a spec.
    pub(super) spec_wanted: Arc<Notify>,
    pub(super) commands: CommandMemory,
}

/// The comments of an issue, as read in this poll.
struct Comments {
    all: Vec<Comment>,
    /// Whim's own.
    own: Option<Comment>,
}

impl IssueProcessor {
    /// Reads the item and the comments that matter, and performs the next action.
    pub(super) async fn process(
        &self,
        issue: &Issue,
        state: LabelState,
        report: &mut PollReport,
    ) -> Result<(), PollError> {
        let item = self.item_of(issue).await?;
        if let Some(item) = &item
            && self.carry_out_commands(issue, item, report).await?
        {
            return Ok(());
        }
        let comments = match &item {
            Some(item) if depends_on_comments(state, item) => Some(self.read_comments(issue).await?),
            Some(_) | None => None,
        };
        let reflected = match (&item, &comments) {
            (Some(item), Some(comments)) => states_outcome(comments.own.as_ref(), item),
            (Some(_) | None, _) => false,
        };
        let action = next_action(state, &issue.labels, &self.intake_label, item.as_ref(), reflected);
        match (action, &item) {
            (Action::Nothing, _) | (Action::Follow | Action::Requeue { .. } | Action::Reflect, None) => {}
            (Action::Submit, _) => self.submit(issue, report).await?,
            (Action::Follow, Some(item)) => self.follow(issue, item, report).await?,
            (Action::Requeue { after_run }, Some(item)) => {
                self.requeue(issue, item, after_run, report).await?;
            }
            (Action::Reflect, Some(item)) => self.reflect(issue, item, report).await?,
            (Action::UnmarkProcessing, _) => {
                tracing::warn!(repo = %self.repo, issue = %issue.number, "the issue is labelled {PROCESSING}, but the orchestrator has no item for it: removing the label, so that the issue is submitted again");
                self.github
                    .remove_label(&self.repo, issue.number, PROCESSING)
                    .await?;
            }
        }
        Ok(())
    }

    async fn read_comments(&self, issue: &Issue) -> Result<Comments, PollError> {
        let all = self.github.comments(&self.repo, issue.number).await?;
        let own = own_comment(&all, self.people.own().await?.id).cloned();
        Ok(Comments { all, own })
    }

    async fn update_labels(&self, issue: &Issue, status: WorkItemStatus) -> Result<(), PollError> {
        let update = LabelUpdate::for_status(status, &issue.labels, &self.intake_label);
        if let Some(label) = update.add {
            self.github.add_label(&self.repo, issue.number, label).await?;
        }
        for label in update.remove {
            self.github.remove_label(&self.repo, issue.number, label).await?;
        }
        Ok(())
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
