//! Delivers the work as a pull request.

use std::time::Duration;

use ralph_contract::SpecDocument;
use whim_core::protocol::checks::TestReport;
use whim_core::protocol::notes::Note;
use whim_core::protocol::worker::Assignment;
use whim_core::{BranchName, CommitHash};
use whim_service::chain::chain;

use crate::concerns::Concerns;
use crate::git::GitError;
use crate::outcome::Failure;
use crate::policy::Policy;
use crate::pull_request::{
    Api, PullRequest, PullRequestSummary, WorkState, open_or_update, other_closed_issues, propose,
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
    pub state: WorkState,
    /// Files in which the branch conflicts with its base, of which git may name none; `None` without a conflict.
    pub conflicts: Option<&'a [String]>,
    /// Test files of the change that pass without the rest of it.
    pub untested: &'a [String],
    /// Notes of the people who requested the work that no prompt of an agent has.
    pub unheeded_notes: &'a [Note],
}

/// The inputs of a draft pull request that is opened while the agent works.
#[derive(Clone, Debug)]
pub struct EarlyDraft<'a> {
    pub api: &'a Api,
    pub reporter: &'a Reporter,
    /// How long a failed request is retried.
    pub retry_timeout: Duration,
    pub assignment: &'a Assignment,
    /// Base of the pull request.
    pub base: BranchName,
    /// The repository's own template of pull requests.
    pub template: Option<String>,
    /// The agent's model, if one is configured.
    pub model: Option<&'a str>,
}

impl EarlyDraft<'_> {
    /// Waits for the first pushed commit, and opens a draft. Without it, the work goes on.
    pub async fn open(&self) {
        let Self {
            reporter, assignment, ..
        } = self;
        let spec = reporter.first_push().await;
        let summary = PullRequestSummary {
            spec: &spec,
            tests: None,
            review: &ReviewOutcome::Off,
            totals: reporter.totals(),
            model: self.model,
            state: WorkState::Begun,
            commits: &[],
            conflicts: None,
            concerns: &Concerns::default(),
            other_default: None,
            also_closed: &[],
            unheeded_notes: &[],
        };
        let mut proposal = propose(assignment, &self.base, &summary);
        proposal.title = reporter.redact(&proposal.title);
        proposal.report = reporter.redact(&proposal.report);
        proposal.template.clone_from(&self.template);
        if !reporter.holds_lease() {
            // The sender detects the expiry and cancels this future.
            std::future::pending::<()>().await;
        }
        match open_or_update(self.api, &assignment.repo, &proposal, self.retry_timeout).await {
            Ok(opened) => {
                reporter.pull_request(&opened.html_url, opened.number);
                if let Some(to_do) = &opened.to_do {
                    reporter.notice(to_do);
                }
            }
            Err(failure) => reporter.notice(&format!("No early draft was opened: {}", failure.reason())),
        }
    }
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
        // Too many of them, for example, do not prevent the delivery.
        let messages = read("messages", workspace.commit_messages(self.head).await).unwrap_or_default();
        let commits = read("files", workspace.commits(self.head).await);
        let also_closed = other_closed_issues(&messages, assignment.metadata.issue_number);
        let mut concerns = self.concerns().await;
        concerns.add_untested(self.untested, self.policy);
        concerns.is_draft |= self.tests.is_none();
        if self.policy.sign_off {
            concerns.require_sign_off(commits.as_deref());
        }
        let summary = PullRequestSummary {
            spec: self.spec,
            tests: self.tests,
            review: self.review,
            totals: reporter.totals(),
            model: self.model,
            state: self.state,
            commits: commits.as_deref().unwrap_or_default(),
            conflicts: self.conflicts,
            concerns: &concerns,
            other_default: workspace.other_default_branch(),
            also_closed: &also_closed,
            unheeded_notes: self.unheeded_notes,
        };
        let mut proposal = propose(assignment, workspace.base(), &summary);
        proposal.title = reporter.redact(&proposal.title);
        proposal.report = reporter.redact(&proposal.report);
        proposal.template = workspace.pull_request_template().await;
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

/// `None` after an error, which is logged.
fn read<T>(what: &str, result: Result<T, GitError>) -> Option<T> {
    result
        .inspect_err(
            |error| tracing::warn!(error = %chain(error), "the {what} of the commits cannot be read"),
        )
        .ok()
}
