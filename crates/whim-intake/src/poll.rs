//! Looks at one repository and does what its issues ask for. Remembers nothing between two looks that it could not do
//! without.

mod attend;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;
use whim_client::{Client, ClientError};
use whim_core::protocol::ErrorCode;
use whim_core::{IssueNumber, RepoName};
use whim_service::chain::chain;
use whim_service::readiness::Latch;
use whim_service::reconcile::Reconciler;

use crate::github::{GitHub, GitHubError, Issue, IssueState};
use crate::labels::{self, PROCESSING, Standing};

/// So many issues in a row that GitHub had trouble with are taken for trouble with all of them.
const TROUBLE_WITH_ALL: usize = 3;

/// Makes a repository's issues and the orchestrator's items agree.
pub(crate) struct Repository {
    pub(crate) repo: RepoName,
    pub(crate) intake_label: String,
    pub(crate) github: Arc<GitHub>,
    pub(crate) client: Client,
    /// Told when an item was submitted that needs a spec.
    pub(crate) spec_wanted: Arc<Notify>,
    /// Released after the first look.
    pub(crate) first_look: Mutex<Option<Latch>>,
    /// Whether the log says already that GitHub does not know the repository.
    pub(crate) told_missing: AtomicBool,
    /// A look that is cut short is taken up again by the next start.
    pub(crate) stop: CancellationToken,
}

/// What a look at a repository came to.
#[derive(Debug, Default, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LookReport {
    /// GitHub does not know the repository.
    pub(crate) missing: bool,
    pub(crate) candidates: usize,
    pub(crate) processing: usize,
    pub(crate) finished: usize,
    pub(crate) submitted: usize,
    pub(crate) requeued: usize,
    pub(crate) reflected: usize,
    pub(crate) failed: usize,
}

/// A step for one issue, or a whole look, failed. The next look is the retry.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    /// GitHub's part.
    #[error("asking GitHub")]
    GitHub(#[from] GitHubError),
    /// The orchestrator's part.
    #[error("asking the orchestrator{}", hint(.0))]
    Orchestrator(#[from] ClientError),
}

/// Which setting may be wrong.
fn hint(error: &ClientError) -> &'static str {
    match (error, error.code()) {
        (ClientError::Refused { .. }, Some(ErrorCode::Unauthorized | ErrorCode::Forbidden)) => {
            " (check API_KEY)"
        }
        (ClientError::Unexpected { .. } | ClientError::Unreachable(_), _) => " (check ORCHESTRATOR_URL)",
        (ClientError::Refused { .. }, _) => "",
    }
}

impl LookError {
    /// Whether the other issues would fail the same way: then the look ends here.
    fn concerns_all_issues(&self) -> bool {
        match self {
            Self::GitHub(error) => error.concerns_all_calls(),
            Self::Orchestrator(error) => {
                error.is_temporary()
                    || matches!(error.code(), Some(ErrorCode::Unauthorized | ErrorCode::Forbidden))
            }
        }
    }

    fn is_githubs_trouble(&self) -> bool {
        match self {
            Self::GitHub(error) => error.is_githubs_trouble(),
            Self::Orchestrator(_) => false,
        }
    }
}

/// The failure of a whole look, with its causes.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct LookFailure {
    text: String,
}

impl Reconciler for Repository {
    type Report = LookReport;
    type Error = LookFailure;

    async fn reconcile(&self) -> Result<LookReport, LookFailure> {
        let Some(looked) = self.stop.run_until_cancelled(self.look()).await else {
            return Ok(LookReport::default());
        };
        if let Some(latch) = self.first_look.lock().await.take() {
            latch.release();
        }
        looked.map_err(|error| LookFailure {
            text: chain(&error).to_string(),
        })
    }
}

impl Repository {
    async fn look(&self) -> Result<LookReport, LookError> {
        let processing = self.github.issues(&self.repo, PROCESSING, IssueState::All).await;
        let processing = match processing {
            Err(error @ GitHubError::NotFound { .. }) => return Ok(self.missing(&error)),
            processing => processing?,
        };
        self.told_missing.store(false, Ordering::Relaxed);
        let mut look = Look::default();
        for issue in &processing {
            self.attend_in(&mut look, issue, Standing::Processing).await?;
        }
        let open = self
            .github
            .issues(&self.repo, &self.intake_label, IssueState::Open)
            .await?;
        for issue in &open {
            match labels::standing(&issue.labels, &self.intake_label) {
                // What is being processed was attended to above.
                Standing::Apart | Standing::Processing => {}
                standing @ (Standing::Candidate | Standing::Finished) => {
                    self.attend_in(&mut look, issue, standing).await?;
                }
            }
        }
        look.warn_of_failures(&self.repo);
        Ok(look.report)
    }

    /// One issue's trouble is no other issue's, unless it is GitHub's or the orchestrator's.
    async fn attend_in(&self, look: &mut Look, issue: &Issue, standing: Standing) -> Result<(), LookError> {
        let report = &mut look.report;
        match standing {
            Standing::Candidate => report.candidates += 1,
            Standing::Processing => report.processing += 1,
            Standing::Finished => report.finished += 1,
            Standing::Apart => {}
        }
        let Err(error) = self.attend(issue, standing, report).await else {
            look.trouble_in_a_row = 0;
            return Ok(());
        };
        if error.is_githubs_trouble() {
            look.trouble_in_a_row += 1;
        }
        if error.concerns_all_issues() || look.trouble_in_a_row == TROUBLE_WITH_ALL {
            return Err(error);
        }
        report.failed += 1;
        look.first_failure.get_or_insert((issue.number, error));
        Ok(())
    }

    /// Tells once what to check: this does not pass by itself, and the other repositories go on.
    fn missing(&self, error: &GitHubError) -> LookReport {
        if !self.told_missing.swap(true, Ordering::Relaxed) {
            tracing::error!(repo = %self.repo, error = %chain(error), "the repository is not watched until GitHub knows it");
        }
        LookReport {
            missing: true,
            ..LookReport::default()
        }
    }
}

/// A look that is under way.
#[derive(Default)]
struct Look {
    report: LookReport,
    first_failure: Option<(IssueNumber, LookError)>,
    trouble_in_a_row: usize,
}

impl Look {
    /// One line for all of them: where one issue fails, others often fail for the same reason.
    fn warn_of_failures(&self, repo: &RepoName) {
        if let Some((issue, error)) = &self.first_failure {
            tracing::warn!(%repo, failed = self.report.failed, first = %issue, error = %chain(error), "issues could not be attended to; the next look tries again");
        }
    }
}
