//! Reports to the orchestrator what the credentials may do, for its status.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use whim_client::Client;
use whim_core::RepoName;
use whim_core::protocol::intake::{IntakeAccess, MAX_REPOSITORIES};
use whim_service::chain::chain;
use whim_service::reconcile::Reconciler;

use super::{repository, spec_model, token};
use crate::anthropic::Anthropic;
use crate::github::{GitHub, GitHubError};

/// Permissions change rarely, and an examination costs three or four calls per repository.
const INTERVAL: Duration = Duration::from_secs(60 * 60);

#[derive(Debug)]
pub(crate) struct AccessReporter {
    github: Arc<GitHub>,
    anthropic: Anthropic,
    client: Client,
    repos: Vec<RepoName>,
    stop: CancellationToken,
    examined: RwLock<Option<Examined>>,
}

/// The latest examination.
#[derive(Clone, Debug)]
struct Examined {
    at: Instant,
    access: IntakeAccess,
    is_reported: bool,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccessReport {
    /// False if the last report is not an hour old, or GitHub does not answer.
    reported: bool,
    repositories: usize,
    problems: usize,
}

impl AccessReporter {
    /// Time between two runs: a failed report is repeated in the next one.
    pub(crate) const PERIOD: Duration = Duration::from_secs(60);

    pub(crate) fn new(
        github: Arc<GitHub>,
        anthropic: Anthropic,
        client: Client,
        repos: Vec<RepoName>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            github,
            anthropic,
            client,
            repos,
            stop,
            examined: RwLock::default(),
        }
    }

    /// The latest examination, if it is not an hour old.
    fn current(&self) -> Option<Examined> {
        let examined = self.examined.read().unwrap_or_else(PoisonError::into_inner);
        examined
            .clone()
            .filter(|examined| examined.at.elapsed() < INTERVAL)
    }

    fn keep(&self, access: &IntakeAccess, at: Instant, is_reported: bool) {
        let access = access.clone();
        *self.examined.write().unwrap_or_else(PoisonError::into_inner) = Some(Examined {
            at,
            access,
            is_reported,
        });
    }

    /// `None` if the intake stops.
    async fn examine(&self) -> Result<Option<IntakeAccess>, GitHubError> {
        let (token, _time) = token(&self.github).await?;
        let mut repositories = Vec::new();
        // Without a valid token, every repository would only say so again.
        let repos = self.repos.iter().take(MAX_REPOSITORIES);
        for repo in repos.filter(|_| token.problem.is_none()) {
            if self.stop.is_cancelled() {
                return Ok(None);
            }
            repositories.push(repository(&self.github, repo).await?);
        }
        Ok(Some(IntakeAccess {
            token,
            repositories,
            spec_model: spec_model(&self.anthropic).await,
        }))
    }
}

impl Reconciler for AccessReporter {
    type Report = AccessReport;
    type Error = anyhow::Error;

    async fn reconcile(&self) -> anyhow::Result<AccessReport> {
        let (access, at) = match self.current() {
            Some(examined) if examined.is_reported => return Ok(AccessReport::default()),
            // The orchestrator could not be reached.
            Some(examined) => (examined.access, examined.at),
            None => match self.examine().await {
                Ok(Some(access)) => (access, Instant::now()),
                Ok(None) => return Ok(AccessReport::default()),
                // The polls meet the same, and log it once for all.
                Err(error) => {
                    tracing::debug!(error = %chain(&error), "the credentials cannot be examined now");
                    return Ok(AccessReport::default());
                }
            },
        };
        self.keep(&access, at, false);
        self.client
            .report_intake_access(&access)
            .await
            .context("reporting what the credentials may do")?;
        self.keep(&access, at, true);
        let of_repositories: usize = access.repositories.iter().map(|it| it.problems.len()).sum();
        let others = [&access.token.problem, &access.spec_model.problem];
        Ok(AccessReport {
            reported: true,
            repositories: access.repositories.len(),
            problems: of_repositories + others.into_iter().flatten().count(),
        })
    }
}
