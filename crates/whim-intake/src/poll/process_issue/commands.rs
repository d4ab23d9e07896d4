//! Carries out commands in comments.
//!
//! A reaction of Whim's own says that a command was received (eyes), carried out (thumbs up), or not (confused): it is the
//! memory of that too. A command counts if it is newer than the request for the current run. The commands of accounts that may
//! request no run get one reaction per account and issue, and no other write.

use whim_core::protocol::ErrorCode;
use whim_core::protocol::notes::{AddNote, MAX_NOTE_CHARACTERS, MAX_NOTES};
use whim_core::protocol::work::{Approval, WorkItem};
use whim_core::{Priority, WorkItemStatus};
use whim_service::chain::chain;

use super::judge::Judgement;
use super::{Comments, IssueProcessor};
use crate::command::{COMMANDS, Command, is_command, parse};
use crate::comment::{Refusal, Written, states_outcome};
use crate::github::{Account, Comment, Issue, Reaction};
use crate::labels::has;
use crate::poll::command_memory::version;
use crate::poll::error::PollError;
use crate::poll::report::PollReport;
use crate::trust::{Request, RequestId, Stop, StopReason};

/// Result of a command.
enum Carried {
    /// The item is as it was.
    Out,
    /// The item is another one than was read.
    OutAndChanged,
    /// Not carried out, and why.
    Not(String),
    /// The issue was read before the command was written: the next poll decides.
    NotYet,
}

/// What is left to do about a command.
enum Answered {
    Finally,
    /// The item is another one than was read. The next poll adds a reaction that is missing.
    WithChange,
    /// The next poll goes on.
    NotYet,
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
        let mut failed = false;
        for comment in &comments.all {
            let is_new = comment.created_at >= since && is_command(&comment.body);
            let is_own = comments.own.as_ref().is_some_and(|own| own.id == comment.id);
            if !is_new || is_own || self.commands.memory().handled.contains(&comment.id) {
                continue;
            }
            let answered = match self.answer(issue, item, &comments, comment, report).await {
                Err(error) if error.affects_all_issues() => return Err(error),
                // The rest of the issue does not wait for it.
                Err(error) => {
                    tracing::warn!(repo = %self.repo, issue = %issue.number, comment = comment.id, error = %chain(&error), "a command could not be carried out; the next poll tries again");
                    failed = true;
                    continue;
                }
                Ok(answered) => answered,
            };
            match answered {
                Answered::Finally => {
                    self.commands.memory().handled.insert(comment.id);
                }
                Answered::WithChange => return Ok(true),
                Answered::NotYet => return Ok(false),
            }
        }
        if !failed {
            let mut memory = self.commands.memory();
            memory.read.insert(issue.number, version(issue));
        }
        Ok(false)
    }

    async fn answer(
        &self,
        issue: &Issue,
        item: &WorkItem,
        comments: &Comments,
        comment: &Comment,
        report: &mut PollReport,
    ) -> Result<Answered, PollError> {
        let Some(author) = &comment.author else {
            return Ok(Answered::Finally);
        };
        let is_allowed = self.people.may_request(&self.repo, author).await?;
        if !is_allowed && !self.commands.memory().declined.insert((issue.number, author.id)) {
            return Ok(Answered::Finally);
        }
        let own_id = self.people.own().await?.id;
        let reactions = self.github.own_reactions(&self.repo, comment.id, own_id).await?;
        if reactions.contains(&Reaction::Done) || reactions.contains(&Reaction::Confused) {
            return Ok(Answered::Finally);
        }
        let react = async |reaction| self.github.react(&self.repo, comment.id, reaction).await;
        let by = author.login.as_str();
        if !is_allowed {
            tracing::info!(repo = %self.repo, issue = %issue.number, by, "ignoring the commands of a user who may not write");
            react(Reaction::Confused).await?;
            return Ok(Answered::Finally);
        }
        if !reactions.contains(&Reaction::Seen) {
            react(Reaction::Seen).await?;
        }
        match self
            .carry_out(issue, item, comments, comment, author, report)
            .await?
        {
            Carried::NotYet => Ok(Answered::NotYet),
            Carried::Out => {
                tracing::info!(repo = %self.repo, issue = %issue.number, work_item = %item.id, by, "carried out a command");
                self.commands.memory().notices.remove(&issue.number);
                react(Reaction::Done).await?;
                Ok(Answered::Finally)
            }
            Carried::OutAndChanged => {
                tracing::info!(repo = %self.repo, issue = %issue.number, work_item = %item.id, by, "carried out a command");
                self.commands.memory().notices.remove(&issue.number);
                if let Err(error) = react(Reaction::Done).await {
                    tracing::warn!(repo = %self.repo, issue = %issue.number, error = %chain(&error), "a command was carried out, and the reaction could not be added; the next poll tries again");
                }
                Ok(Answered::WithChange)
            }
            Carried::Not(why) => {
                self.commands.memory().notices.insert(issue.number, why.clone());
                if self.show_notice(issue, item, comments).await? == Written::Deferred {
                    return Ok(Answered::NotYet);
                }
                tracing::info!(repo = %self.repo, issue = %issue.number, work_item = %item.id, by, why, "did not carry out a command");
                react(Reaction::Confused).await?;
                Ok(Answered::Finally)
            }
        }
    }

    async fn carry_out(
        &self,
        issue: &Issue,
        item: &WorkItem,
        comments: &Comments,
        comment: &Comment,
        author: &Account,
        report: &mut PollReport,
    ) -> Result<Carried, PollError> {
        let not = |why: &str| Ok(Carried::Not(why.to_owned()));
        let approval = item.metadata.approval.as_ref();
        if approval.is_some_and(|approval| started(comment, approval)) {
            // The intake was killed before it could react.
            return Ok(Carried::Out);
        }
        let Some(command) = parse(&comment.body) else {
            return Ok(Carried::Not(format!(
                "Whim did not understand the command. It knows {COMMANDS}."
            )));
        };
        let ended = item.status.is_terminal();
        match command {
            // By this command perhaps, and the intake was killed before it could react.
            Command::Stop if item.status == WorkItemStatus::Cancelled => Ok(Carried::Out),
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
            Command::Note(words) => {
                if let Some(carried) = self.add_note(item, comment, author, &words).await? {
                    return Ok(carried);
                }
                if !ended {
                    // It has ended since it was read.
                    return Ok(Carried::NotYet);
                }
                self.run_again(issue, item, comments, comment, Some(&words), report)
                    .await
            }
            Command::Retry if !ended => not("It is in progress already."),
            Command::Retry => self.run_again(issue, item, comments, comment, None, report).await,
        }
    }

    /// Passes words to the agent. `None` if the item has ended; the note may still exist, if the intake was killed before it
    /// could react.
    async fn add_note(
        &self,
        item: &WorkItem,
        comment: &Comment,
        author: &Account,
        words: &str,
    ) -> Result<Option<Carried>, PollError> {
        if words.chars().count() > MAX_NOTE_CHARACTERS {
            return Ok(Some(Carried::Not(format!(
                "A note to the agent has at most {MAX_NOTE_CHARACTERS} characters."
            ))));
        }
        let note = AddNote {
            text: words.to_owned(),
            author: author.name(),
            source_key: Some(format!("comment:{}", comment.id)),
        };
        match self.client.add_note(item.id, &note).await {
            Ok(_note) => Ok(Some(Carried::Out)),
            Err(error) if error.code() == Some(ErrorCode::WrongState) => Ok(None),
            Err(error) if error.code() == Some(ErrorCode::LimitReached) => Ok(Some(Carried::Not(format!(
                "The agent has {MAX_NOTES} notes, which is the limit. Put further words into the issue, and start another run."
            )))),
            Err(error) => Err(error.into()),
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
        if !issue.is_open || !has(&issue.labels, &self.intake_label) {
            return Ok(Carried::Not(
                "Another run needs an open issue with the label.".to_owned(),
            ));
        }
        let request = Request {
            id: RequestId::Comment(comment.id),
            at: comment.created_at,
            by: comment.author.clone(),
        };
        match self.judge_request(issue, comments, &request, note).await? {
            Judgement::Approved(text) => {
                self.start_run(issue, item, item.run, text, report).await?;
                Ok(Carried::OutAndChanged)
            }
            Judgement::Refused(Refusal::NotAllowed { .. }) => Ok(Carried::Not(
                "Whim takes commands only from people who may write to this repository.".to_owned(),
            )),
            Judgement::Refused(Refusal::Edited(_)) => Ok(Carried::Not(
                "The issue was edited after the command. Read it again, and repeat the command.".to_owned(),
            )),
            Judgement::NotYet | Judgement::NoNewRequest => Ok(Carried::NotYet),
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

    /// Below the outcome, if that is posted. Otherwise the comment is written with the notice anyway.
    async fn show_notice(
        &self,
        issue: &Issue,
        item: &WorkItem,
        comments: &Comments,
    ) -> Result<Written, PollError> {
        if !item.status.is_terminal() || !states_outcome(comments.own.as_ref(), item) {
            return Ok(Written::Done);
        }
        self.write_outcome(issue, item, comments, None).await
    }
}

/// Whether the comment requested the run. The event of a label can have the same number.
fn started(comment: &Comment, approval: &Approval) -> bool {
    approval.event_id == comment.id && approval.approved_at == comment.created_at
}

#[cfg(test)]
mod tests {
    use whim_core::UserName;
    use whim_core::source::TextHash;

    use super::*;
    use crate::github::comment_for_tests;

    #[test]
    fn a_comment_started_the_run_that_has_its_number_and_its_time() {
        let author = Account {
            id: 1,
            login: "ana".to_owned(),
            is_bot: false,
        };
        let comment = comment_for_tests(author, "@whim retry", 100);
        for (event_id, is_same_time, expected) in [
            (comment.id, true, true),
            // The event of a label.
            (comment.id, false, false),
            (comment.id + 1, true, false),
        ] {
            let later = comment.created_at + chrono::TimeDelta::seconds(1);
            let approval = Approval {
                approved_by: UserName::parse("ana").unwrap(),
                approved_by_id: 1,
                approved_at: if is_same_time { comment.created_at } else { later },
                event_id,
                text_sha256: TextHash::of(""),
            };
            assert_eq!(started(&comment, &approval), expected, "{approval:?}");
        }
    }
}
