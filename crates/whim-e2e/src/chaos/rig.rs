//! The system under test: databases, GitHub, orchestrators, and the submitted work items.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use rand::RngExt as _;
use tempfile::TempDir;
use tokio::time::Instant;
use url::Url;
use whim_client::{Client, ClientError};
use whim_core::protocol::work::{CancelWork, RequeueWork, WorkItem};
use whim_core::{WorkItemId, WorkItemStatus};
use whim_testkit::github::GitHub;
use whim_testkit::invariants::{Invariants, Limits};
use whim_testkit::postgres::{Postgres, TestDatabase};
use whim_testkit::redis::TestRedis;

use super::nodes::{Node, SharedSettings, programs};
use super::repair::Repair;
use super::schedule::UserAction;
use super::work::{self, FakeBehavior};

const LIMITS: Limits = Limits {
    max_workers: 5,
    daily_budget: 100_000,
};

/// A work item to submit.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) number: usize,
    pub(super) behavior: FakeBehavior,
    /// `None` until it is accepted.
    pub(super) id: Option<WorkItemId>,
}

/// Fields are dropped in order: the orchestrators stop before what they depend on.
pub(super) struct Rig {
    pub(super) nodes: Vec<Node>,
    pub(super) pending_repairs: Vec<(Instant, Repair)>,
    pub(super) fault_counts: BTreeMap<&'static str, usize>,
    pub(super) submissions: Vec<Submission>,
    pub(super) invariants: Invariants,
    pub(super) github: GitHub,
    pub(super) database: TestDatabase,
    pub(super) redis: TestRedis,
    pub(super) directory: TempDir,
}

impl Rig {
    pub(super) async fn start() -> anyhow::Result<Self> {
        whim_service::telemetry::install_crypto();
        let (postgres, redis) = tokio::try_join!(Postgres::start(), TestRedis::start())?;
        let database = postgres.create_database().await?;
        let github = GitHub::start().await;
        github.create_repository(work::REPOSITORY, &work::FILES);
        // Workers may run as another user.
        let directory = tempfile::Builder::new()
            .prefix("whim-chaos-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir()
            .context("creating a directory")?;
        let shared = SharedSettings {
            database_url: Url::parse(database.url())?,
            redis_url: Url::parse(redis.url())?,
            settings: settings(&github, &redis, &directory)?,
        };
        let mut nodes = Vec::new();
        for name in ["one", "other"] {
            let mut node = Node::new(&directory.path().join(name), &shared)?;
            node.start().await?;
            nodes.push(node);
        }
        let invariants = Invariants::watch(database.url(), LIMITS).await?;
        Ok(Self {
            nodes,
            pending_repairs: Vec::new(),
            fault_counts: BTreeMap::new(),
            submissions: Vec::new(),
            invariants,
            github,
            database,
            redis,
            directory,
        })
    }

    /// Sends each request once, whether it succeeds or not. Only submissions are repeated until they are accepted.
    pub(super) async fn perform(&mut self, action: UserAction) -> anyhow::Result<()> {
        match action {
            UserAction::Submit(behavior) => {
                let number = self.submissions.len() + 1;
                self.submissions.push(Submission {
                    number,
                    behavior,
                    id: None,
                });
                self.submit_pending().await
            }
            UserAction::Cancel(which) => {
                let Some(id) = self.accepted(which) else {
                    return Ok(());
                };
                let result = self
                    .request(async |client| client.cancel_work(id, &CancelWork::default()).await)
                    .await;
                allow_failure("cancelling", result)
            }
            UserAction::Requeue(which) => {
                let Some(id) = self.accepted(which) else {
                    return Ok(());
                };
                let result = self
                    .request(async |client| client.requeue_work(id, &RequeueWork::default()).await)
                    .await;
                allow_failure("requeueing", result)
            }
            UserAction::KillWorkerOf(which) => {
                let Some(id) = self.accepted(which) else {
                    return Ok(());
                };
                let result = self
                    .request(async |client| match client.get_work(id).await?.worker_id {
                        Some(worker) => client.kill_worker(worker).await.map(drop),
                        None => Ok(()),
                    })
                    .await;
                allow_failure("killing a worker", result)
            }
        }
    }

    pub(super) async fn submit_pending(&mut self) -> anyhow::Result<()> {
        for which in 0..self.submissions.len() {
            let Submission {
                number,
                behavior,
                id: None,
            } = self.submissions[which]
            else {
                continue;
            };
            let item = work::item(number, behavior)?;
            match self.request(async |client| client.create_work(&item).await).await {
                Ok(created) => self.submissions[which].id = Some(created.into_item().id),
                Err(error) => return allow_failure::<()>("submitting", Err(error)),
            }
        }
        Ok(())
    }

    /// Sends a request to a random orchestrator, and to the other one if that fails.
    pub(super) async fn request<T>(
        &self,
        send: impl AsyncFn(&Client) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let first = rand::rng().random_range(0..self.nodes.len());
        match send(self.nodes[first].client()).await {
            Err(error) if error.is_temporary() => {
                send(self.nodes[(first + 1) % self.nodes.len()].client()).await
            }
            result => result,
        }
    }

    /// The number of faults, and of work items by status.
    pub(super) async fn summary(&self) -> String {
        let faults: usize = self.fault_counts.values().sum();
        let (submitted, accepted) = (
            self.submissions.len(),
            self.submissions.iter().filter(|item| item.id.is_some()).count(),
        );
        let items = match self.request(async |client| client.status().await).await {
            Ok(status) => {
                let counts = status.items.iter().filter(|(_, count)| **count > 0);
                counts
                    .map(|(status, count)| format!("{count} {status}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            }
            Err(_unavailable) => "no orchestrator is available".to_owned(),
        };
        format!("{faults} faults; {accepted} of {submitted} items accepted: {items}")
    }

    pub(super) async fn items(&self) -> anyhow::Result<Vec<(&Submission, WorkItem)>> {
        let mut items = Vec::new();
        for submission in &self.submissions {
            let id = submission
                .id
                .ok_or_else(|| anyhow!("item {} is not accepted yet", submission.number))?;
            let item = self.request(async |client| client.get_work(id).await).await;
            let item = item.with_context(|| format!("reading item {}", submission.number))?;
            items.push((submission, item));
        }
        Ok(items)
    }

    /// The number of items, and of faults by kind.
    pub(super) fn report(&self) -> String {
        let faults: Vec<String> = self
            .fault_counts
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        format!("{} items; {}", self.submissions.len(), faults.join(", "))
    }

    /// Keeps the directory with the logs.
    pub(super) fn keep_directory(&mut self) -> anyhow::Result<PathBuf> {
        self.directory.disable_cleanup(true);
        Ok(self.directory.path().to_owned())
    }

    fn accepted(&self, which: usize) -> Option<WorkItemId> {
        let accepted: Vec<WorkItemId> = self.submissions.iter().filter_map(|item| item.id).collect();
        (!accepted.is_empty()).then(|| accepted[which % accepted.len()])
    }
}

/// During the test, a request may fail because of an outage or a conflict, but for no other reason.
fn allow_failure<T>(doing: &str, answer: Result<T, ClientError>) -> anyhow::Result<()> {
    match answer {
        Ok(_) => Ok(()),
        Err(error) if error.is_temporary() => Ok(()),
        Err(ClientError::Refused { status: 409, .. }) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("{doing} failed")),
    }
}

fn settings(
    github: &GitHub,
    redis: &TestRedis,
    directory: &TempDir,
) -> anyhow::Result<Vec<(&'static str, OsString)>> {
    let ralph = work::write_ralph(directory.path())?;
    // More retries than a work item can need.
    let retries = ["0.5"; 20].join(",");
    let texts = [
        ("REDIS_KEY_PREFIX", redis.prefix().to_owned()),
        ("ADMIN_PORT", "0".to_owned()),
        ("WORKER_RUNTIME", "process".to_owned()),
        ("ANTHROPIC_API_KEY", "not-used-by-the-scripted-ralph".to_owned()),
        ("GITHUB_TOKEN", github.token().to_owned()),
        ("GITHUB_API_URL", github.api_url()),
        ("GITHUB_GIT_URL", github.git_url()),
        ("MAX_WORKERS", LIMITS.max_workers.to_string()),
        ("DAILY_BUDGET", LIMITS.daily_budget.to_string()),
        ("COOLDOWN_SECONDS", "0.05".to_owned()),
        ("RETRY_DELAYS_SECONDS", retries),
        // Workers killed at random must not open a breaker. Other breakers are probed soon.
        ("BREAKER_THRESHOLD", "1000".to_owned()),
        ("BREAKER_PROBE_DELAY_SECONDS", "0.5".to_owned()),
        ("BREAKER_MAX_PROBE_DELAY_SECONDS", "2".to_owned()),
        ("HEARTBEAT_INTERVAL_SECONDS", "0.5".to_owned()),
        ("STALE_THRESHOLD", "8".to_owned()),
        ("REGISTER_TIMEOUT_SECONDS", "10".to_owned()),
        ("STOP_GRACE_SECONDS", "1".to_owned()),
        ("RECONCILE_INTERVAL_SECONDS", "1".to_owned()),
        ("DISPATCH_INTERVAL_SECONDS", "0.5".to_owned()),
    ];
    let mut settings: Vec<(&'static str, OsString)> = texts
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    settings.push(("PATH", std::env::var_os("PATH").unwrap_or_default()));
    settings.extend(programs(ralph)?);
    Ok(settings)
}

impl Submission {
    /// Whether the status is a possible final one.
    pub(super) fn can_end_as(&self, status: WorkItemStatus) -> bool {
        match status {
            WorkItemStatus::Completed => self.behavior.can_complete(),
            WorkItemStatus::Cancelled => true,
            WorkItemStatus::Failed => !self.behavior.can_complete(),
            WorkItemStatus::Generating
            | WorkItemStatus::Queued
            | WorkItemStatus::Assigned
            | WorkItemStatus::InProgress => false,
        }
    }
}
