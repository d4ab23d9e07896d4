//! Carries out commands in comments.
//!
//! A reaction of Whim's own says that a command was received (eyes), carried out (thumbs up), or not (confused): it is the
//! memory of that too. A command counts if it is newer than the request for the current run.

use whim_core::Priority;
use whim_core::protocol::work::WorkItem;

use super::judge::Judgement;
use super::{Comments, IssueProcessor};
use crate::command::{COMMANDS, Command, is_command, parse};
use crate::comment::{Outcome, outcome};
use crate::github::{Comment, Issue, Reaction};
use crate::labels::has;
use crate::poll::command_memory::version;
use crate::poll::error::PollError;
use crate::poll::report::PollReport;
use crate::trust::{Request, Stop, StopReason};

/// Result of a command.
enum Carried {
    /// The item is as it was.
    Out,
    /// The item is another one than was read.
    OutAndChanged,
    /// Not carried out, and why.
    Not(String),
}

impl IssueProcessor {
    /// Carries out the new commands on an issue. `true` if one changed the item: the next poll sees to the rest.
    pub(super) async fn carry_out_commands(
        &self,
        issue: &Issue,
        item: &WorkItem,
        report: &mut PollReport,
    ) -> Result<bool, PollError> {
        if !self.commands.has_news(issue) {
            return Ok(false);
        }
        let comments = self.read_comments(issue).await?;
        let since = item.metadata.approval.as_ref();
        let since = since.map_or(item.created_at, |approval| approval.approved_at);
        for comment in &comments.all {
            let is_new = comment.created_at >= since && is_command(&comment.body);
            let is_own = comments.own.as_ref().is_some_and(|own| own.id == comment.id);
            if !is_new || is_own || self.commands.memory().handled.contains(&comment.id) {
                continue;
            }
            let changed = self
                .carry_out_once(issue, item, &comments, comment, report)
                .await?;
            self.commands.memory().handled.insert(comment.id);
            if changed {
                return Ok(true);
            }
        }
        let mut memory = self.commands.memory();
        memory.read.insert(issue.number, version(issue));
        Ok(false)
    }

    async fn carry_out_once(
        &self,
        issue: &Issue,
        item: &WorkItem,
        comments: &Comments,
        comment: &Comment,
        report: &mut PollReport,
    ) -> Result<bool, PollError> {
        let own_id = self.people.own().await?.id;
        let reactions = self.github.own_reactions(&self.repo, comment.id, own_id).await?;
        if reactions.contains(&Reaction::Done) || reactions.contains(&Reaction::Confused) {
            return Ok(false);
        }
        let react = async |reaction| self.github.react(&self.repo, comment.id, reaction).await;
        react(Reaction::Seen).await?;
        let carried = self.carry_out(issue, item, comments, comment, report).await?;
        let author = comment.author.as_ref().map(|author| author.login.as_str());
        match carried {
            Carried::Out | Carried::OutAndChanged => {
                tracing::info!(repo = %self.repo, issue = %issue.number, work_item = %item.id, author, "carried out a command");
                self.commands.memory().notices.remove(&issue.number);
                react(Reaction::Done).await?;
            }
            Carried::Not(why) => {
                tracing::info!(repo = %self.repo, issue = %issue.number, work_item = %item.id, author, why, "did not carry out a command");
                self.commands.memory().notices.insert(issue.number, why);
                react(Reaction::Confused).await?;
                self.show_notice(issue, item, comments).await?;
                return Ok(false);
            }
        }
        Ok(matches!(carried, Carried::OutAndChanged))
    }

    async fn carry_out(
        &self,
        issue: &Issue,
        item: &WorkItem,
        comments: &Comments,
        comment: &Comment,
        report: &mut PollReport,
    ) -> Result<Carried, PollError> {
        let not = |why: &str| Ok(Carried::Not(why.to_owned()));
        let Some(author) = &comment.author else {
            return not("The author of the command has no account any more.");
        };
        if !self.people.may_request(&self.repo, author).await? {
            return not("Whim takes commands only from people who may write to this repository.");
        }
        let Some(command) = parse(&comment.body) else {
            return Ok(Carried::Not(format!(
                "Whim did not understand the command. It knows {COMMANDS}."
            )));
        };
        let ended = item.status.is_terminal();
        match command {
            Command::Stop if ended => not("Nothing is running that could be stopped."),
            Command::Stop => {
                let stop = Stop {
                    reason: StopReason::Commanded,
                    by: Some(author.login.clone()),
                };
                self.cancel(issue, item, &stop, report).await?;
                Ok(Carried::OutAndChanged)
            }
            Command::Status => {
                if !ended {
                    self.show_progress(issue, item).await?;
                }
                Ok(Carried::Out)
            }
            Command::Priority(_) if ended => not("The work has ended; its priority means nothing any more."),
            Command::Priority(priority) => {
                self.set_priority_label(issue, priority).await?;
                Ok(Carried::Out)
            }
            Command::Retry | Command::Note(_)
                if !issue.is_open || !has(&issue.labels, &self.intake_label) =>
            {
                not("Another run needs an open issue with the label.")
            }
            Command::Retry if !ended => not("It is in progress already."),
            Command::Note(_) if !ended => not(
                "Words do not reach a running agent yet. Stop it and ask again with the words, or write them after it has ended.",
            ),
            Command::Retry => self.run_again(issue, item, comments, comment, None, report).await,
            Command::Note(note) => {
                self.run_again(issue, item, comments, comment, Some(&note), report)
                    .await
            }
        }
    }

    /// The comment is the request: it approves the text of the issue as it was then.
    async fn run_again(
        &self,
        issue: &Issue,
        item: &WorkItem,
        comments: &Comments,
        comment: &Comment,
        note: Option<&str>,
        report: &mut PollReport,
    ) -> Result<Carried, PollError> {
        let approval = item.metadata.approval.as_ref();
        if approval.is_some_and(|approval| approval.event_id == comment.id) {
            return Ok(Carried::Out);
        }
        let request = Request {
            event_id: comment.id,
            at: comment.created_at,
            by: comment.author.clone(),
        };
        match self.judge_request(issue, comments, &request, note).await? {
            Judgement::Approved(text) => {
                self.start_run(issue, item, item.run, text, report).await?;
                Ok(Carried::OutAndChanged)
            }
            Judgement::Refused(_) => Ok(Carried::Not(
                "The issue was edited after the command. Read it again, and repeat the command.".to_owned(),
            )),
            Judgement::NotYet => Ok(Carried::Not("Please repeat the command.".to_owned())),
        }
    }

    async fn set_priority_label(&self, issue: &Issue, priority: Priority) -> Result<(), PollError> {
        let wanted = format!("priority:{}", priority.as_str());
        if !has(&issue.labels, &wanted) {
            self.github.add_label(&self.repo, issue.number, &wanted).await?;
        }
        for label in &issue.labels {
            let is_other = Priority::from_labels([label.as_str()]).is_some_and(|other| other != priority);
            if is_other {
                self.github.remove_label(&self.repo, issue.number, label).await?;
            }
        }
        Ok(())
    }

    /// Below the outcome; a live item's comment is written with the notice anyway.
    async fn show_notice(
        &self,
        issue: &Issue,
        item: &WorkItem,
        comments: &Comments,
    ) -> Result<(), PollError> {
        if !item.status.is_terminal() {
            return Ok(());
        }
        let ended = Outcome {
            item,
            open_pull_request: None,
            refusal: None,
            notice: self.commands.notice(issue.number),
        };
        let text = outcome(issue, ended, &self.intake_label);
        let own = comments.own.as_ref();
        let _written = self.comments.write(&self.repo, issue.number, own, &text).await?;
        Ok(())
    }
}
