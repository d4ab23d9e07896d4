//! Decides whether the latest request on an issue counts, and for which text.

use whim_core::protocol::work::Approval;

use super::{Comments, IssueProcessor};
use crate::comment::Refusal;
use crate::github::{Account, Comment, Issue, IssueEvent};
use crate::poll::error::PollError;
use crate::submission::ApprovedText;
use crate::trust::{
    Request, context_candidates, description, edits_since, is_later, latest_request, quoted_note,
};
use crate::visible_text::VisibleText;

/// Of the newest comments. Each author costs a call.
const MAX_CONTEXT_COMMENTS: usize = 50;

pub(super) enum Judgement {
    Approved(ApprovedText),
    Refused(Refusal),
    /// The issue was read before the request was made: the next poll decides.
    NotYet,
    /// No request is later than that of the previous run.
    NoNewRequest,
}

impl IssueProcessor {
    /// The latest request with a label. `previous`: of the run before.
    pub(super) async fn judge(
        &self,
        issue: &Issue,
        comments: &Comments,
        previous: Option<&Approval>,
    ) -> Result<Judgement, PollError> {
        let events = self.github.events(&self.repo, issue.number).await?;
        let own_id = self.people.own().await?.id;
        let request = latest_request(&events, &self.intake_label, own_id);
        let is_new = |request: &Request| previous.is_none_or(|previous| is_later(request, previous, &events));
        match request {
            Some(request) if is_new(&request) => {
                self.judge_by_events(issue, comments, &request, &events, None)
                    .await
            }
            None if previous.is_none() => Ok(Judgement::Refused(Refusal::NotAllowed { by: None })),
            Some(_) | None => Ok(Judgement::NoNewRequest),
        }
    }

    /// A request with a comment, and the words for the agent that it has.
    pub(super) async fn judge_request(
        &self,
        issue: &Issue,
        comments: &Comments,
        request: &Request,
        note: Option<&str>,
    ) -> Result<Judgement, PollError> {
        let events = self.github.events(&self.repo, issue.number).await?;
        self.judge_by_events(issue, comments, request, &events, note)
            .await
    }

    async fn judge_by_events(
        &self,
        issue: &Issue,
        comments: &Comments,
        request: &Request,
        events: &[IssueEvent],
        note: Option<&str>,
    ) -> Result<Judgement, PollError> {
        if issue.updated_at < request.at {
            return Ok(Judgement::NotYet);
        }
        let not_allowed = |by: Option<&Account>| {
            let by = by.map(|by| by.login.clone());
            Ok(Judgement::Refused(Refusal::NotAllowed { by }))
        };
        let Some((by, name)) = request.by.as_ref().and_then(|by| Some((by, by.name()?))) else {
            return not_allowed(request.by.as_ref());
        };
        if !self.people.may_request(&self.repo, by).await? {
            return not_allowed(Some(by));
        }
        let body_edits = self.github.body_edits(&self.repo, issue.number).await?;
        let edits = edits_since(request, issue, events, body_edits.as_deref());
        if !edits.is_empty() {
            return Ok(Judgement::Refused(Refusal::Edited(edits)));
        }
        let newest: Vec<&Comment> = context_candidates(&comments.all, request)
            .rev()
            .take(MAX_CONTEXT_COMMENTS)
            .collect();
        let mut context = Vec::new();
        for comment in newest.into_iter().rev() {
            if let Some(author) = &comment.author
                && self.people.may_request(&self.repo, author).await?
            {
                context.push(comment);
            }
        }
        let VisibleText { text, removed } = description(issue, &context);
        if !removed.is_empty() {
            tracing::warn!(repo = %self.repo, issue = %issue.number, ?removed, "left out what a reader of the issue cannot see");
        }
        let text = match note {
            Some(note) => format!("{text}\n\n{}", quoted_note(name.as_str(), note)),
            None => text,
        };
        let text = ApprovedText::new(text, request, (name, by.id));
        Ok(Judgement::Approved(text))
    }
}
