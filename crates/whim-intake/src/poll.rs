//! Polls one repository and processes its issues.

mod command_memory;
mod error;
mod process_issue;
mod report;
mod stray_items;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;
use url::Url;
use whim_client::Client;
use whim_core::{IssueNumber, RepoName};
use whim_service::chain::chain;
use whim_service::readiness::Latch;
use whim_service::reconcile::Reconciler;

use self::command_memory::CommandMemory;
use self::error::{PollError, PollFailure};
use self::process_issue::IssueProcessor;
use self::report::PollReport;
use crate::comment::CommentWriter;
use crate::github::{GitHub, GitHubError, Issue, IssueState};
use crate::labels::{self, LabelState, PROCESSING};
use crate::trust::People;

/// After this many issues in a row with errors of GitHub, the poll ends.
const MAX_CONSECUTIVE_GITHUB_ERRORS: usize = 3;

/// What the repositories share.
pub(crate) struct Shared {
    pub(crate) intake_label: String,
    /// Of the dashboard, for links.
    pub(crate) dashboard_url: Option<Url>,
    pub(crate) github: Arc<GitHub>,
    pub(crate) people: Arc<People>,
    pub(crate) comments: Arc<CommentWriter>,
    pub(crate) client: Client,
    /// Notified when an item needs a spec.
    pub(crate) spec_wanted: Arc<Notify>,
}

/// Reconciles a repository's issues with the orchestrator's items.
pub(crate) struct Repository {
    issues: IssueProcessor,
    /// Released after the first poll.
    first_poll: Mutex<Option<Latch>>,
    is_missing: AtomicBool,
    /// Interrupts a poll. The first poll after the next start resumes it.
    stop: CancellationToken,
}

impl Repository {
    pub(crate) fn new(repo: RepoName, shared: &Shared, first_poll: Latch, stop: CancellationToken) -> Self {
        Self {
            issues: IssueProcessor {
                repo,
                intake_label: shared.intake_label.clone(),
                dashboard_url: shared.dashboard_url.clone(),
                github: Arc::clone(&shared.github),
                people: Arc::clone(&shared.people),
                comments: Arc::clone(&shared.comments),
                client: shared.client.clone(),
                spec_wanted: Arc::clone(&shared.spec_wanted),
                commands: CommandMemory::default(),
            },
            first_poll: Mutex::new(Some(first_poll)),
            is_missing: AtomicBool::new(false),
            stop,
        }
    }

    async fn poll(&self) -> Result<PollReport, PollError> {
        let IssueProcessor {
            repo,
            intake_label,
            github,
            ..
        } = &self.issues;
        let processing = match github.issues(repo, PROCESSING, IssueState::All).await {
            Err(error @ GitHubError::NotFound { .. }) => return Ok(self.missing(&error)),
            processing => processing?,
        };
        self.is_missing.store(false, Ordering::Relaxed);
        let mut poll = Poll::default();
        for issue in &processing {
            self.process(&mut poll, issue, LabelState::Processing).await?;
        }
        let open = github.issues(repo, intake_label, IssueState::Open).await?;
        let seen: HashSet<IssueNumber> = processing.iter().chain(&open).map(|issue| issue.number).collect();
        for issue in &open {
            match labels::label_state(&issue.labels, intake_label) {
                // Issues with `ai-processing` were processed above.
                LabelState::Ignored | LabelState::Processing => {}
                state @ (LabelState::Candidate | LabelState::Refused | LabelState::Finished) => {
                    self.process(&mut poll, issue, state).await?;
                }
            }
        }
        for number in self.issues.stray_items(&seen).await? {
            if let Some(issue) = github.issue(repo, number).await? {
                self.process(&mut poll, &issue, LabelState::Processing).await?;
            }
        }
        poll.warn_of_failures(repo);
        Ok(poll.report)
    }

    /// An error of one issue ends the poll only if the other issues would meet it too.
    async fn process(&self, poll: &mut Poll, issue: &Issue, state: LabelState) -> Result<(), PollError> {
        poll.report.count(state);
        let Err(error) = self.issues.process(issue, state, &mut poll.report).await else {
            poll.consecutive_github_errors = 0;
            return Ok(());
        };
        if error.is_github_outage() {
            poll.consecutive_github_errors += 1;
        }
        if error.affects_all_issues() || poll.consecutive_github_errors == MAX_CONSECUTIVE_GITHUB_ERRORS {
            return Err(error);
        }
        poll.report.failed += 1;
        poll.first_failure.get_or_insert((issue.number, error));
        Ok(())
    }

    /// Logged once: only an operator can fix it. Other repositories are not affected.
    fn missing(&self, error: &GitHubError) -> PollReport {
        if !self.is_missing.swap(true, Ordering::Relaxed) {
            tracing::error!(repo = %self.issues.repo, error = %chain(error), "GitHub has no such repository; it is not polled until GitHub has it");
        }
        PollReport {
            missing: true,
            ..PollReport::default()
        }
    }
}

impl Reconciler for Repository {
    type Report = PollReport;
    type Error = PollFailure;

    async fn reconcile(&self) -> Result<PollReport, PollFailure> {
        let Some(polled) = self.stop.run_until_cancelled(self.poll()).await else {
            return Ok(PollReport::default());
        };
        if let Some(latch) = self.first_poll.lock().await.take() {
            latch.release();
        }
        match polled {
            // The client logs a limit once for all repositories.
            Err(PollError::GitHub(GitHubError::RateLimited { .. })) => Ok(PollReport {
                rate_limited: true,
                ..PollReport::default()
            }),
            polled => polled.map_err(|error| PollFailure::new(&error)),
        }
    }
}

/// A poll in progress.
#[derive(Default)]
struct Poll {
    report: PollReport,
    first_failure: Option<(IssueNumber, PollError)>,
    consecutive_github_errors: usize,
}

impl Poll {
    /// One line for all issues: they often fail for the same reason.
    fn warn_of_failures(&self, repo: &RepoName) {
        if let Some((issue, error)) = &self.first_failure {
            tracing::warn!(%repo, failed = self.report.failed, first = %issue, error = %chain(error), "some issues could not be processed; the next poll tries again");
        }
    }
}
