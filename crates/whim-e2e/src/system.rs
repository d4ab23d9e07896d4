//! Whim, running: databases, stand-ins, orchestrator and intake.

mod environment;
mod options;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use secrecy::SecretString;
use tempfile::TempDir;
use url::Url;
use whim_client::{Client, Timing};
use whim_core::protocol::ErrorCode;
use whim_core::protocol::work::{CancelWork, WorkFilter, WorkItem};
use whim_core::{RepoName, SourceName, WorkItemStatus};
use whim_service::process::find_by_environment;
use whim_testkit::anthropic::Anthropic;
use whim_testkit::github::GitHub;
use whim_testkit::postgres::TestDatabase;
use whim_testkit::redis::TestRedis;
use whim_testkit::wait::wait_until;

pub use self::options::Options;
use crate::programs::Program;

const API_KEY: &str = "a-key-of-this-system-only";
const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// The variable by which a worker and everything that it started can be told from other processes.
const ATTEMPT_MARKER: &str = "WHIM_ATTEMPT";

/// Where the orchestrator listens; 0 for any free port.
#[derive(Debug, Clone, Copy, Default)]
struct Ports {
    api: u16,
    worker_api: u16,
}

/// A running system. Dropping it ends everything that it started, workers included.
pub struct System {
    /// The GitHub stand-in.
    pub github: GitHub,
    /// The stand-in for the model API.
    pub anthropic: Anthropic,
    /// The database, for a look at the rows.
    pub database: TestDatabase,
    redis: TestRedis,
    options: Options,
    orchestrator: Option<Program>,
    intake: Option<Program>,
    api_url: Url,
    /// Drawn at the first start and kept: workers and intake know them across a restart.
    ports: Option<Ports>,
    // Dropped last: the logs of the others are in there.
    directory: TempDir,
}

impl System {
    /// Starts databases and stand-ins; the programs follow with [`Self::start_programs`], after the repositories and
    /// scripts are there.
    ///
    /// # Errors
    /// When a tool is missing or a server does not start.
    pub async fn prepare(options: Options) -> anyhow::Result<Self> {
        whim_service::telemetry::install_crypto();
        let (database, redis) = tokio::try_join!(TestDatabase::create(), TestRedis::shared_or_start())?;
        Ok(Self {
            github: GitHub::start_on((options.address, 0).into()).await?,
            anthropic: Anthropic::start_on((options.address, 0).into())?,
            database,
            redis,
            options,
            orchestrator: None,
            intake: None,
            ports: None,
            api_url: Url::parse("http://127.0.0.1:1")
                .context("a placeholder until the orchestrator listens")?,
            directory: tempfile::Builder::new()
                .prefix("whim-")
                .tempdir()
                .context("making a directory")?,
        })
    }

    /// Starts the orchestrator and the intake.
    ///
    /// # Errors
    /// When one of them does not get ready.
    pub async fn start_programs(&mut self) -> anyhow::Result<()> {
        self.start_orchestrator().await?;
        self.start_intake().await
    }

    /// Starts the orchestrator, again if it was stopped or killed.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start_orchestrator(&mut self) -> anyhow::Result<()> {
        let environment = self.orchestrator_environment()?;
        let (program, ready) =
            Program::start("whim-orchestrator", self.directory.path(), &environment).await?;
        let address = |name: &str| {
            let text = ready[name]
                .as_str()
                .with_context(|| format!("the ready file names no `{name}`"))?;
            Url::parse(text).context("reading the orchestrator's address")
        };
        self.api_url = address("api")?;
        let port = |url: &Url| url.port().context("an address without a port");
        self.ports = Some(Ports {
            api: port(&self.api_url)?,
            worker_api: port(&address("workerApi")?)?,
        });
        self.orchestrator = Some(program);
        Ok(())
    }

    /// Changes a setting; whoever is started from now on has it.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.options.settings.insert(name, value.into());
    }

    /// Starts the intake, again if it was stopped or killed.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start_intake(&mut self) -> anyhow::Result<()> {
        let environment = self.intake_environment();
        let (program, _) = Program::start("whim-intake", self.directory.path(), &environment).await?;
        self.intake = Some(program);
        Ok(())
    }

    /// Takes the orchestrator out, to be killed or stopped.
    ///
    /// # Errors
    /// When it does not run.
    pub fn take_orchestrator(&mut self) -> anyhow::Result<Program> {
        self.orchestrator.take().context("the orchestrator does not run")
    }

    /// Takes the intake out, to be killed or stopped.
    ///
    /// # Errors
    /// When it does not run.
    pub fn take_intake(&mut self) -> anyhow::Result<Program> {
        self.intake.take().context("the intake does not run")
    }

    /// Calls of the orchestrator's API.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(
            self.api_url.clone(),
            Some(&SecretString::from(API_KEY)),
            Timing::STANDARD,
        )?)
    }

    /// The address of the orchestrator's API.
    pub fn api_url(&self) -> &Url {
        &self.api_url
    }

    /// The key of the orchestrator's API.
    pub fn api_key(&self) -> &'static str {
        API_KEY
    }

    /// Where logs and workspaces are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The item of an issue, when there is one.
    ///
    /// # Errors
    /// When the orchestrator does not answer.
    pub async fn item_of(&self, repository: &str, issue: u64) -> anyhow::Result<Option<WorkItem>> {
        let filter = WorkFilter {
            repo: Some(RepoName::parse(repository)?),
            source: Some(SourceName::github()),
            source_ref: Some(issue.to_string()),
            ..WorkFilter::default()
        };
        Ok(self.client()?.list_work(&filter).await?.items.into_iter().next())
    }

    /// Waits until an issue carries a label.
    ///
    /// # Errors
    /// When it does not in time; with the state of its item and the ends of the logs.
    pub async fn wait_for_label(
        &self,
        repository: &str,
        issue: u64,
        label: &str,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let what = format!("{repository}#{issue} to be labelled {label}");
        wait_until(&what, patience, async || {
            let labels = self.github.issue(repository, issue).labels;
            if labels.iter().any(|present| present == label) {
                return Ok(());
            }
            let item = self
                .item_of(repository, issue)
                .await
                .map_err(|error| format!("{error:#}"))?;
            Err(format!("labels {labels:?}, item {item:#?}"))
        })
        .await
        .with_context(|| self.logs())
    }

    /// The ends of all logs, for the message of a failed test.
    pub fn logs(&self) -> String {
        let programs = [&self.orchestrator, &self.intake];
        let mut logs: Vec<String> = programs.into_iter().flatten().map(Program::log_tail).collect();
        for attempt in self.attempts() {
            let log = std::fs::read_to_string(self.workspaces().join(&attempt).join("worker.log"))
                .unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            logs.push(format!(
                "worker {attempt}:\n{}",
                lines[lines.len().saturating_sub(30)..].join("\n")
            ));
        }
        logs.join("\n----\n")
    }

    /// Where the workers have their directories.
    pub fn workspaces(&self) -> PathBuf {
        self.directory.path().join("workspaces")
    }

    /// Ends the workers, then the programs.
    ///
    /// # Errors
    /// When something does not stop in time.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(intake) = self.intake.take() {
            intake.stop().await?;
        }
        if self.orchestrator.is_some() {
            self.cancel_everything().await?;
        }
        if let Some(orchestrator) = self.orchestrator.take() {
            let status = orchestrator.stop().await?;
            ensure!(status.success(), "the orchestrator ended with {status}");
        }
        Ok(())
    }

    async fn cancel_everything(&self) -> anyhow::Result<()> {
        let client = self.client()?;
        wait_until("the workers to end", STOP_PATIENCE, async || {
            for status in WorkItemStatus::live() {
                let filter = WorkFilter {
                    status: Some(status),
                    ..WorkFilter::default()
                };
                let page = client
                    .list_work(&filter)
                    .await
                    .map_err(|error| error.to_string())?;
                for item in page.items {
                    match client.cancel_work(item.id, &CancelWork::default()).await {
                        Ok(_) => {}
                        // It ended meanwhile, which is as good.
                        Err(error) if error.code() == Some(ErrorCode::WrongState) => {}
                        Err(error) => return Err(error.to_string()),
                    }
                }
            }
            let processes = self.worker_processes();
            if processes == 0 {
                Ok(())
            } else {
                Err(format!("{processes} processes of workers are left"))
            }
        })
        .await
    }

    fn worker_processes(&self) -> usize {
        let of =
            |attempt: &String| find_by_environment(ATTEMPT_MARKER, attempt).map_or(0, |found| found.len());
        self.attempts().iter().map(of).sum()
    }

    /// The directories of the attempts so far, named like their workers.
    fn attempts(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.workspaces()) else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // The orchestrator leaves running workers alone when it ends; a system does not.
        for attempt in self.attempts() {
            for process in find_by_environment(ATTEMPT_MARKER, &attempt).unwrap_or_default() {
                // One that ended meanwhile needs no signal.
                drop(process.signal(Signal::KILL));
            }
        }
    }
}
