//! A running system: databases, fakes, orchestrator, gateway, intake and dashboards.

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
use whim_testkit::free_port_of;
use whim_testkit::github::GitHub;
use whim_testkit::postgres::TestDatabase;
use whim_testkit::redis::TestRedis;
use whim_testkit::wait::wait_until;

use self::environment::{API_KEY, Ports, Services};
pub use self::options::Options;
use crate::programs::Program;

const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// The environment variable that marks all processes of an attempt.
const ATTEMPT_MARKER: &str = "WHIM_ATTEMPT";

/// Dropping it kills all of its processes, including workers.
pub struct System {
    pub github: GitHub,
    /// The fake model API.
    pub anthropic: Anthropic,
    /// For queries of the tests.
    pub database: TestDatabase,
    redis: TestRedis,
    options: Options,
    orchestrator: Option<Program>,
    gateway: Option<Program>,
    gateway_url: Url,
    intake: Option<Program>,
    dashboards: Vec<Program>,
    other_orchestrators: Vec<Program>,
    api_url: Url,
    /// Kept from the first start, so that workers and the intake reach the orchestrator after a restart.
    ports: Option<Ports>,
    // Dropped last, because it contains the logs of the others.
    directory: TempDir,
}

impl System {
    /// Starts the databases and fakes. The programs are started by [`Self::start_programs`].
    ///
    /// # Errors
    /// A tool is missing, or a server does not start.
    pub async fn prepare(options: Options) -> anyhow::Result<Self> {
        whim_service::telemetry::install_crypto();
        let (database, redis) = tokio::try_join!(TestDatabase::create(), TestRedis::shared_or_start())?;
        let mut gateway_url = Url::parse("http://127.0.0.1").context("parsing a URL")?;
        let port = free_port_of(options.address)?;
        let is_set =
            gateway_url.set_ip_host(options.address).is_ok() && gateway_url.set_port(Some(port)).is_ok();
        ensure!(is_set, "{gateway_url} cannot have an address and a port");
        Ok(Self {
            github: GitHub::start_on((options.address, 0).into()).await?,
            anthropic: Anthropic::start_on((options.address, 0).into())?,
            database,
            redis,
            options,
            orchestrator: None,
            gateway: None,
            gateway_url,
            intake: None,
            dashboards: Vec::new(),
            other_orchestrators: Vec::new(),
            ports: None,
            api_url: Url::parse("http://127.0.0.1:1").context("parsing a placeholder URL")?,
            directory: tempfile::Builder::new()
                .prefix("whim-")
                .tempdir()
                .context("creating a directory")?,
        })
    }

    /// Starts the orchestrator, the gateway and the intake.
    ///
    /// # Errors
    /// One of them does not become ready.
    pub async fn start_programs(&mut self) -> anyhow::Result<()> {
        self.start_orchestrator().await?;
        self.start_gateway().await?;
        self.start_intake().await
    }

    /// Also restarts it after it was stopped or killed.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn start_orchestrator(&mut self) -> anyhow::Result<()> {
        let workspaces = self.workspaces();
        let environment = self
            .services(&workspaces)
            .orchestrator(self.ports.unwrap_or_default(), &self.gateway_url)?;
        let (program, ready) =
            Program::start("whim-orchestrator", self.directory.path(), &environment).await?;
        let address = |name: &str| {
            let text = ready[name]
                .as_str()
                .with_context(|| format!("the ready file has no `{name}`"))?;
            Url::parse(text).context("parsing the orchestrator's URL")
        };
        self.api_url = address("api")?;
        let port = |url: &Url| url.port().context("a URL without a port");
        self.ports = Some(Ports {
            api: port(&self.api_url)?,
            worker_api: port(&address("workerApi")?)?,
        });
        self.orchestrator = Some(program);
        Ok(())
    }

    /// Starts the orchestrator again if it has exited.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn restart_exited_orchestrator(&mut self) -> anyhow::Result<()> {
        if self.orchestrator.as_mut().is_some_and(Program::has_exited) {
            self.start_orchestrator().await?;
        }
        Ok(())
    }

    /// Starts another orchestrator with the same databases. Returns the URL of its API.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn start_other_orchestrator(&mut self) -> anyhow::Result<Url> {
        let directory = self.other_directory(self.other_orchestrators.len());
        std::fs::create_dir(&directory).context("creating a directory")?;
        let workspaces = directory.join("workspaces");
        let environment = self
            .services(&workspaces)
            .orchestrator(Ports::default(), &self.gateway_url)?;
        let (program, ready) = Program::start("whim-orchestrator", &directory, &environment).await?;
        self.other_orchestrators.push(program);
        let url = ready["api"].as_str().context("the ready file has no `api`")?;
        Url::parse(url).context("parsing the orchestrator's URL")
    }

    /// Also restarts it after it was stopped or killed.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn start_gateway(&mut self) -> anyhow::Result<()> {
        let workspaces = self.workspaces();
        let environment = self
            .services(&workspaces)
            .gateway(&self.gateway_url, &self.api_url);
        let (program, _) = Program::start("whim-gateway", self.directory.path(), &environment).await?;
        self.gateway = Some(program);
        Ok(())
    }

    /// Changes a setting of programs that are started from now on.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.options.settings.insert(name, value.into());
    }

    /// Also restarts it after it was stopped or killed.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn start_intake(&mut self) -> anyhow::Result<()> {
        let workspaces = self.workspaces();
        let environment = self.services(&workspaces).intake(&self.api_url);
        let (program, _) = Program::start("whim-intake", self.directory.path(), &environment).await?;
        self.intake = Some(program);
        Ok(())
    }

    /// Starts a dashboard, which demands a login if there is a password. Returns its URL.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn start_dashboard(&mut self, password: Option<&str>) -> anyhow::Result<Url> {
        let api_url = self.api_url.clone();
        self.start_dashboard_of(&api_url, password).await
    }

    /// The same, in front of the orchestrator at `api_url`.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn start_dashboard_of(&mut self, api_url: &Url, password: Option<&str>) -> anyhow::Result<Url> {
        let workspaces = self.workspaces();
        let environment = self.services(&workspaces).dashboard(api_url, password);
        let (program, ready) = Program::start("whim-dashboard", self.directory.path(), &environment).await?;
        self.dashboards.push(program);
        let url = ready["url"].as_str().context("the ready file has no `url`")?;
        Url::parse(url).context("parsing the dashboard's URL")
    }

    /// The process identifier of the orchestrator.
    pub fn orchestrator_pid(&self) -> Option<i32> {
        self.orchestrator.as_ref().map(Program::pid)
    }

    /// To kill or stop it.
    ///
    /// # Errors
    /// It is not running.
    pub fn take_orchestrator(&mut self) -> anyhow::Result<Program> {
        self.orchestrator
            .take()
            .context("the orchestrator is not running")
    }

    /// To kill or stop it.
    ///
    /// # Errors
    /// It is not running.
    pub fn take_gateway(&mut self) -> anyhow::Result<Program> {
        self.gateway.take().context("the gateway is not running")
    }

    /// To kill or stop it.
    ///
    /// # Errors
    /// It is not running.
    pub fn take_intake(&mut self) -> anyhow::Result<Program> {
        self.intake.take().context("the intake is not running")
    }

    /// A client of the orchestrator's API.
    ///
    /// # Errors
    /// The client cannot be created.
    pub fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(
            self.api_url.clone(),
            Some(&SecretString::from(API_KEY)),
            Timing::STANDARD,
        )?)
    }

    pub fn api_url(&self) -> &Url {
        &self.api_url
    }

    /// The worker protocol.
    ///
    /// # Errors
    /// The orchestrator was never started.
    pub fn worker_api_url(&self) -> anyhow::Result<Url> {
        let ports = self.ports.context("the orchestrator was not started")?;
        let mut url = self.api_url.clone();
        ensure!(url.set_port(Some(ports.worker_api)).is_ok(), "{url} has no port");
        Ok(url)
    }

    pub fn gateway_url(&self) -> &Url {
        &self.gateway_url
    }

    pub fn api_key(&self) -> &'static str {
        API_KEY
    }

    /// Contains the logs and workspaces.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The work item of an issue, if there is one.
    ///
    /// # Errors
    /// The request to the orchestrator failed.
    pub async fn item_of(&self, repository: &str, issue: u64) -> anyhow::Result<Option<WorkItem>> {
        let filter = WorkFilter {
            repo: Some(RepoName::parse(repository)?),
            source: Some(SourceName::github()),
            source_ref: Some(issue.to_string()),
            ..WorkFilter::default()
        };
        Ok(self.client()?.list_work(&filter).await?.items.into_iter().next())
    }

    /// Waits until an issue has a label.
    ///
    /// # Errors
    /// Timeout. The error contains the work item and the last lines of the logs.
    pub async fn wait_for_label(
        &self,
        repository: &str,
        issue: u64,
        label: &str,
        timeout: Duration,
    ) -> anyhow::Result<()> {
        let what = format!("{repository}#{issue} to be labelled {label}");
        wait_until(&what, timeout, async || {
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

    /// The last lines of all logs.
    pub fn logs(&self) -> String {
        let programs = self
            .orchestrator
            .iter()
            .chain(&self.other_orchestrators)
            .chain(&self.gateway)
            .chain(&self.intake)
            .chain(&self.dashboards);
        let mut logs: Vec<String> = programs.map(Program::log_tail).collect();
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

    /// The directory of the attempts' directories.
    pub fn workspaces(&self) -> PathBuf {
        self.directory.path().join("workspaces")
    }

    /// The directory of another orchestrator, with its own workspaces.
    fn other_directory(&self, number: usize) -> PathBuf {
        self.directory.path().join(format!("other-orchestrator-{number}"))
    }

    /// Cancels all work, then stops the programs.
    ///
    /// # Errors
    /// A worker or program does not stop in time.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for program in self.dashboards.drain(..).chain(self.intake.take()) {
            program.stop().await?;
        }
        if self.orchestrator.is_some() {
            self.cancel_all_work().await?;
        }
        for other in self.other_orchestrators.drain(..) {
            other.stop().await?;
        }
        if let Some(orchestrator) = self.orchestrator.take() {
            let status = orchestrator.stop().await?;
            ensure!(status.success(), "the orchestrator exited with {status}");
        }
        if let Some(gateway) = self.gateway.take() {
            let status = gateway.stop().await?;
            ensure!(status.success(), "the gateway exited with {status}");
        }
        Ok(())
    }

    fn services<'s>(&'s self, workspaces: &'s Path) -> Services<'s> {
        Services {
            github: &self.github,
            anthropic: &self.anthropic,
            database: &self.database,
            redis: &self.redis,
            options: &self.options,
            directory: self.directory.path(),
            workspaces,
        }
    }

    async fn cancel_all_work(&self) -> anyhow::Result<()> {
        let client = self.client()?;
        wait_until("the workers to exit", STOP_TIMEOUT, async || {
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
                        // It ended meanwhile.
                        Err(error) if error.code() == Some(ErrorCode::WrongState) => {}
                        Err(error) => return Err(error.to_string()),
                    }
                }
            }
            let processes = self.worker_processes();
            if processes == 0 {
                Ok(())
            } else {
                Err(format!("{processes} processes of workers are running"))
            }
        })
        .await
    }

    fn worker_processes(&self) -> usize {
        let of =
            |attempt: &String| find_by_environment(ATTEMPT_MARKER, attempt).map_or(0, |found| found.len());
        self.attempts().iter().map(of).sum()
    }

    /// The identifiers of all workers so far, which are the names of their directories.
    fn attempts(&self) -> Vec<String> {
        let others = 0..self.other_orchestrators.len();
        let others = others.map(|number| self.other_directory(number).join("workspaces"));
        std::iter::once(self.workspaces())
            .chain(others)
            .filter_map(|workspaces| std::fs::read_dir(workspaces).ok())
            .flat_map(Iterator::flatten)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // The orchestrator leaves workers running when it exits.
        for attempt in self.attempts() {
            for process in find_by_environment(ATTEMPT_MARKER, &attempt).unwrap_or_default() {
                // It may have exited meanwhile.
                process.signal(Signal::KILL).ok();
            }
        }
    }
}
