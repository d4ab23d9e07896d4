//! Delivers the work as a pull request.

use std::time::Duration;

use ralph_contract::SpecDocument;
use whim_core::CommitHash;
use whim_core::protocol::checks::TestReport;
use whim_core::protocol::worker::Assignment;
use whim_service::chain::chain;

use crate::concerns::Concerns;
use crate::git::GitError;
use crate::outcome::Failure;
use crate::policy::Policy;
use crate::pull_request::{
    Api, PullRequest, PullRequestSummary, open_or_update, other_closed_issues, propose,
};
use crate::report::Reporter;
use crate::review::ReviewOutcome;
use crate::workspace::Workspace;

/// What a pull request is made from.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    pub api: &'a Api,
    pub reporter: &'a Reporter,
    /// How long a failed request is retried.
    pub retry_timeout: Duration,
    pub assignment: &'a Assignment,
    pub workspace: &'a Workspace,
    /// The pushed head.
    pub head: &'a CommitHash,
    pub spec: &'a SpecDocument,
    /// `None` if no checks were found.
    pub tests: Option<&'a TestReport>,
    pub review: &'a ReviewOutcome,
    /// The agent's model, if one is configured.
    pub model: Option<&'a str>,
    pub policy: &'a Policy,
    /// Required checks fail because of the change: it becomes a draft.
    pub is_red: bool,
}

impl Delivery<'_> {
    /// Opens the pull request, or brings it up to date.
    ///
    /// # Errors
    /// GitHub refuses, or is unavailable for too long.
    pub async fn deliver(&self) -> Result<PullRequest, Failure> {
        let Self {
            assignment,
            workspace,
            reporter,
            ..
        } = *self;
        let messages = workspace
            .commit_messages(self.head)
            .await
            .map_err(|error| Failure::of_machine(chain(&error).to_string()))?;
        let also_closed = other_closed_issues(&messages, assignment.metadata.issue_number);
        let concerns = self.concerns().await;
        let summary = PullRequestSummary {
            spec: self.spec,
            tests: self.tests,
            review: self.review,
            totals: reporter.totals(),
            model: self.model,
            is_red: self.is_red,
            concerns: &concerns,
            other_default: workspace.other_default_branch(),
            also_closed: &also_closed,
        };
        let mut proposal = propose(assignment, workspace.base(), &summary);
        proposal.title = reporter.redact(&proposal.title);
        proposal.body = reporter.redact(&proposal.body);
        if !reporter.holds_lease() {
            // The sender detects the expiry and cancels this future.
            std::future::pending::<()>().await;
        }
        let opened = open_or_update(self.api, &assignment.repo, &proposal, self.retry_timeout).await?;
        reporter.pull_request(&opened.html_url, opened.number);
        if let Some(to_do) = &opened.to_do {
            reporter.notice(to_do);
        }
        Ok(opened)
    }

    /// A change that cannot be examined is one of them.
    async fn concerns(&self) -> Concerns {
        let examined = async {
            let names = self.workspace.changed_names(self.head).await?;
            let diff = self.workspace.diff(self.reporter.redactor()).await?;
            Ok::<_, GitError>(diff.map(|diff| Concerns::about(&diff, &names, self.policy)))
        };
        match examined.await {
            Ok(concerns) => concerns.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the change cannot be examined");
                Concerns::unexamined(self.policy)
            }
        }
    }
}
