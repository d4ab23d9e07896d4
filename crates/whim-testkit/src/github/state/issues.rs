//! Issues, their comments and events.

use super::super::error_response::{ErrorResponse, Invalid};
use super::{BodyEdit, Change, Comment, Event, EventKind, Issue, Repository, State};

/// GitHub's limits, in characters.
const TITLE_LIMIT: usize = 256;
const BODY_LIMIT: usize = 65_536;

impl Repository {
    /// Opens an issue and returns its number.
    pub(in super::super) fn create_issue(
        &mut self,
        title: &str,
        body: Option<String>,
        labels: &[String],
        change: &Change,
    ) -> Result<u64, ErrorResponse> {
        check_texts("Issue", Some(title), body.as_deref())?;
        let number = self.append(title, body, change);
        self.add_labels(number, labels, change)?;
        Ok(number)
    }

    /// Adds an issue without labels; pull requests start as one too.
    pub(super) fn append(&mut self, title: &str, body: Option<String>, change: &Change) -> u64 {
        let number = self.issues.keys().next_back().map_or(1, |last| last + 1);
        let issue = Issue {
            id: self.next_id(),
            number,
            title: title.to_owned(),
            body,
            author: change.by.clone(),
            state: State::Open,
            state_reason: None,
            labels: Vec::new(),
            comments: Vec::new(),
            events: Vec::new(),
            body_edits: Vec::new(),
            created_at: change.at,
            updated_at: change.at,
            closed: None,
            pull: None,
        };
        self.issues.insert(number, issue);
        number
    }

    /// Changes title and body; `None` leaves them as they are.
    pub(in super::super) fn edit(
        &mut self,
        number: u64,
        title: Option<&str>,
        body: Option<Option<String>>,
        change: &Change,
    ) -> Result<(), ErrorResponse> {
        check_texts("Issue", title, body.as_ref().and_then(Option::as_deref))?;
        let from = self.issue(number).ok_or(ErrorResponse::NotFound)?.title.clone();
        if let Some(title) = title.filter(|title| *title != from) {
            let kind = EventKind::Renamed {
                from,
                to: title.to_owned(),
            };
            self.record(number, change, kind, |issue| title.clone_into(&mut issue.title))?;
        }
        if let Some(body) = body {
            let issue = self.issues.get_mut(&number).ok_or(ErrorResponse::NotFound)?;
            issue.body_edits.push(BodyEdit {
                change: change.clone(),
                body: body.clone().unwrap_or_default(),
            });
            issue.body = body;
            issue.updated_at = change.at;
        }
        Ok(())
    }

    /// Opens or closes an issue; no effect if it is in that state already.
    pub(in super::super) fn set_state(
        &mut self,
        number: u64,
        state: State,
        reason: Option<String>,
        change: &Change,
    ) -> Result<(), ErrorResponse> {
        let issue = self.issue(number).ok_or(ErrorResponse::NotFound)?;
        if issue.pull.as_ref().is_some_and(|pull| pull.merged.is_some()) && state == State::Open {
            return Err(ErrorResponse::invalid(Invalid::field("PullRequest", "state")));
        }
        if issue.state == state {
            return Ok(());
        }
        let (kind, default_reason) = match state {
            State::Open => (EventKind::Reopened, "reopened"),
            State::Closed => (EventKind::Closed, "completed"),
        };
        self.record(number, change, kind, |issue| {
            issue.state = state;
            issue.state_reason = Some(reason.unwrap_or_else(|| default_reason.to_owned()));
            issue.closed = match state {
                State::Open => None,
                State::Closed => Some(change.clone()),
            };
        })
    }

    /// Adds a comment and returns its id.
    pub(in super::super) fn comment(
        &mut self,
        number: u64,
        body: String,
        change: &Change,
    ) -> Result<u64, ErrorResponse> {
        check_comment(&body)?;
        let id = self.next_id();
        let issue = self.issues.get_mut(&number).ok_or(ErrorResponse::NotFound)?;
        let author = change.by.clone();
        issue.comments.push(Comment {
            id,
            body,
            author,
            reactions: Vec::new(),
            created_at: change.at,
            updated_at: change.at,
        });
        issue.updated_at = change.at;
        Ok(id)
    }

    /// Changes the text of a comment and returns the number of its issue.
    pub(in super::super) fn edit_comment(
        &mut self,
        id: u64,
        body: String,
        change: &Change,
    ) -> Result<u64, ErrorResponse> {
        check_comment(&body)?;
        for issue in self.issues.values_mut() {
            if let Some(comment) = issue.comments.iter_mut().find(|comment| comment.id == id) {
                comment.body = body;
                comment.updated_at = change.at;
                issue.updated_at = change.at;
                return Ok(issue.number);
            }
        }
        Err(ErrorResponse::NotFound)
    }

    /// Changes an issue and records the event.
    pub(super) fn record(
        &mut self,
        number: u64,
        change: &Change,
        kind: EventKind,
        apply: impl FnOnce(&mut Issue),
    ) -> Result<(), ErrorResponse> {
        let id = self.next_id();
        let issue = self.issues.get_mut(&number).ok_or(ErrorResponse::NotFound)?;
        apply(issue);
        issue.events.push(Event {
            id,
            actor: change.by.clone(),
            at: change.at,
            kind,
        });
        issue.updated_at = change.at;
        Ok(())
    }
}

/// Refuses texts that GitHub refuses.
pub(super) fn check_texts(
    resource: &'static str,
    title: Option<&str>,
    body: Option<&str>,
) -> Result<(), ErrorResponse> {
    let mut errors = Vec::new();
    if title.is_some_and(|title| title.trim().is_empty()) {
        errors.push(Invalid::missing(resource, "title"));
    }
    if title.is_some_and(|title| title.chars().count() > TITLE_LIMIT) {
        errors.push(Invalid::custom(
            resource,
            format!("title is too long (maximum is {TITLE_LIMIT} characters)"),
        ));
    }
    if body.is_some_and(|body| body.chars().count() > BODY_LIMIT) {
        errors.push(Invalid::custom(
            resource,
            format!("body is too long (maximum is {BODY_LIMIT} characters)"),
        ));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(ErrorResponse::Invalid(errors))
    }
}

fn check_comment(body: &str) -> Result<(), ErrorResponse> {
    if body.trim().is_empty() {
        return Err(ErrorResponse::invalid(Invalid::custom(
            "IssueComment",
            "Body can't be blank".to_owned(),
        )));
    }
    check_texts("IssueComment", None, Some(body))
}
