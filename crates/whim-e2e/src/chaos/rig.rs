//! The whole of a run: databases, GitHub, orchestrators, and the items that people asked for.

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

use super::faults::Mend;
use super::nodes::{Node, Surroundings, programs};
use super::schedule::{Event, Wish};
use super::work::{self, Mood};

const LIMITS: Limits = Limits {
    max_workers: 5,
    daily_budget: 100_000,
};

/// An item that somebody asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) number: usize,
    pub(super) mood: Mood,
    /// Once it was accepted.
    pub(super) id: Option<WorkItemId>,
}

/// Everything. What is dropped first has to end before the rest.
pub(super) struct Rig {
    pub(super) nodes: Vec<Node>,
    pub(super) mends: Vec<(Instant, Mend)>,
    pub(super) suffered: BTreeMap<&'static str, usize>,
    pub(super) asked: Vec<Asked>,
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
        // Workers may run as other users.
        let directory = tempfile::Builder::new()
            .prefix("whim-chaos-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir()
            .context("making a directory")?;
        let surroundings = Surroundings {
            database_url: Url::parse(database.url())?,
            redis_url: Url::parse(redis.url())?,
            settings: settings(&github, &redis, &directory)?,
        };
        let mut nodes = Vec::new();
        for name in ["one", "other"] {
            let mut node = Node::new(&directory.path().join(name), &surroundings)?;
            node.start().await?;
            nodes.push(node);
        }
        let invariants = Invariants::watch(database.url(), LIMITS).await?;
        Ok(Self {
            nodes,
            mends: Vec::new(),
            suffered: BTreeMap::new(),
            asked: Vec::new(),
            invariants,
            github,
            database,
            redis,
            directory,
        })
    }

    pub(super) async fn suffer(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Fault(fault, mended_after) => self.fault(fault, mended_after).await,
            Event::Wish(wish) => self.wish(wish).await,
        }
    }

    /// What people do: they ask once, and whether it was heard shows later. Only what was not accepted is asked again.
    async fn wish(&mut self, wish: Wish) -> anyhow::Result<()> {
        match wish {
            Wish::Submit(mood) => {
                let number = self.asked.len() + 1;
                self.asked.push(Asked {
                    number,
                    mood,
                    id: None,
                });
                self.submit_what_is_not_accepted().await
            }
            Wish::Cancel(which) => {
                let Some(id) = self.accepted(which) else {
                    return Ok(());
                };
                let answer = self
                    .ask(async |client| client.cancel_work(id, &CancelWork::default()).await)
                    .await;
                expect_an_answer("cancelling", answer)
            }
            Wish::Requeue(which) => {
                let Some(id) = self.accepted(which) else {
                    return Ok(());
                };
                let answer = self
                    .ask(async |client| client.requeue_work(id, &RequeueWork::default()).await)
                    .await;
                expect_an_answer("requeueing", answer)
            }
            Wish::KillWorkerOf(which) => {
                let Some(id) = self.accepted(which) else {
                    return Ok(());
                };
                let answer = self
                    .ask(async |client| match client.get_work(id).await?.worker_id {
                        Some(worker) => client.kill_worker(worker).await.map(drop),
                        None => Ok(()),
                    })
                    .await;
                expect_an_answer("killing a worker", answer)
            }
        }
    }

    pub(super) async fn submit_what_is_not_accepted(&mut self) -> anyhow::Result<()> {
        for which in 0..self.asked.len() {
            let Asked {
                number,
                mood,
                id: None,
            } = self.asked[which]
            else {
                continue;
            };
            let item = work::item(number, mood)?;
            match self.ask(async |client| client.create_work(&item).await).await {
                Ok(created) => self.asked[which].id = Some(created.into_item().id),
                Err(error) => return expect_an_answer::<()>("submitting", Err(error)),
            }
        }
        Ok(())
    }

    /// Asks an orchestrator, and the other one when that does not answer.
    pub(super) async fn ask<T>(
        &self,
        question: impl AsyncFn(&Client) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let first = rand::rng().random_range(0..self.nodes.len());
        match question(self.nodes[first].client()).await {
            Err(error) if error.is_temporary() => {
                question(self.nodes[(first + 1) % self.nodes.len()].client()).await
            }
            answered => answered,
        }
    }

    /// One line: faults so far, and items by status.
    pub(super) async fn summary(&self) -> String {
        let faults: usize = self.suffered.values().sum();
        let (asked, accepted) = (
            self.asked.len(),
            self.asked.iter().filter(|item| item.id.is_some()).count(),
        );
        let items = match self.ask(async |client| client.status().await).await {
            Ok(status) => {
                let counts = status.items.iter().filter(|(_, count)| **count > 0);
                counts
                    .map(|(status, count)| format!("{count} {status}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            }
            Err(_nobody) => "nobody answers".to_owned(),
        };
        format!("{faults} faults; {accepted} of {asked} items accepted: {items}")
    }

    /// Every item as the orchestrators tell it.
    pub(super) async fn items(&self) -> anyhow::Result<Vec<(&Asked, WorkItem)>> {
        let mut items = Vec::new();
        for asked in &self.asked {
            let id = asked
                .id
                .ok_or_else(|| anyhow!("item {} is not accepted yet", asked.number))?;
            let item = self.ask(async |client| client.get_work(id).await).await;
            items.push((
                asked,
                item.with_context(|| format!("asking for item {}", asked.number))?,
            ));
        }
        Ok(items)
    }

    /// What was suffered, for the end.
    pub(super) fn report(&self) -> String {
        let faults: Vec<String> = self
            .suffered
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        format!("{} items; {}", self.asked.len(), faults.join(", "))
    }

    /// Leaves the logs where they are.
    pub(super) fn keep_logs(&mut self) -> anyhow::Result<PathBuf> {
        self.directory.disable_cleanup(true);
        Ok(self.directory.path().to_owned())
    }

    fn accepted(&self, which: usize) -> Option<WorkItemId> {
        let accepted: Vec<WorkItemId> = self.asked.iter().filter_map(|item| item.id).collect();
        (!accepted.is_empty()).then(|| accepted[which % accepted.len()])
    }
}

/// Being away and being too late are answers; a defect is none.
fn expect_an_answer<T>(doing: &str, answer: Result<T, ClientError>) -> anyhow::Result<()> {
    match answer {
        Ok(_) => Ok(()),
        Err(error) if error.is_temporary() => Ok(()),
        Err(ClientError::Refused { status: 409, .. }) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("{doing} was answered with a defect")),
    }
}

fn settings(
    github: &GitHub,
    redis: &TestRedis,
    directory: &TempDir,
) -> anyhow::Result<Vec<(&'static str, OsString)>> {
    let ralph = work::write_ralph(directory.path())?;
    // More than the faults of a run can cost an item.
    let retries = ["0.5"; 20].join(",");
    let texts = [
        ("REDIS_KEY_PREFIX", redis.prefix().to_owned()),
        ("ADMIN_PORT", "0".to_owned()),
        ("WORKER_RUNTIME", "process".to_owned()),
        ("RALPH_HARNESS", "command".to_owned()),
        ("GITHUB_TOKEN", github.token().to_owned()),
        ("GITHUB_API_URL", github.api_url()),
        ("GITHUB_GIT_URL", github.git_url()),
        ("MAX_WORKERS", LIMITS.max_workers.to_string()),
        ("DAILY_BUDGET", LIMITS.daily_budget.to_string()),
        ("COOLDOWN_SECONDS", "0.05".to_owned()),
        ("RETRY_DELAYS", retries),
        // Workers that are killed at random are no crash loop; what else breaks is tried again soon.
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

impl Asked {
    /// Whether it may have ended so.
    pub(super) fn may_end_as(&self, status: WorkItemStatus) -> bool {
        match status {
            WorkItemStatus::Completed => self.mood.is_doable(),
            WorkItemStatus::Cancelled => true,
            WorkItemStatus::Failed => !self.mood.is_doable(),
            WorkItemStatus::Generating
            | WorkItemStatus::Queued
            | WorkItemStatus::Assigned
            | WorkItemStatus::InProgress => false,
        }
    }
}
