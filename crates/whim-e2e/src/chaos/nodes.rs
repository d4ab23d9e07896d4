//! The orchestrators, each connected to its peers through its own proxies.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use url::Url;
use whim_client::{Client, Timing};
use whim_service::process::{ProcessIdentity, find_by_environment};
use whim_testkit::proxy::Proxy;

use crate::programs::{Program, program};

/// The environment variable that marks all processes of an attempt.
const ATTEMPT_MARKER: &str = "WHIM_ATTEMPT";

/// A request that fails is sent to the other orchestrator, or repeated later.
const TIMING: Timing = Timing {
    connect: Duration::from_millis(500),
    attempt: Duration::from_millis(1500),
    retries: 0,
    first_delay: Duration::from_millis(100),
    longest_delay: Duration::from_millis(100),
};

#[derive(Debug, Clone)]
pub(super) struct SharedSettings {
    pub(super) database_url: Url,
    pub(super) redis_url: Url,
    pub(super) settings: Vec<(&'static str, OsString)>,
}

/// An orchestrator, and its process if it is running.
pub(super) struct Node {
    directory: PathBuf,
    environment: Vec<(String, OsString)>,
    program: Option<Program>,
    client: Client,
    to_postgres: Proxy,
    to_redis: Proxy,
    from_workers: Proxy,
}

impl Node {
    pub(super) fn new(directory: &Path, shared: &SharedSettings) -> anyhow::Result<Self> {
        fs::create_dir(directory).context("creating the directory of an orchestrator")?;
        // Workers may run as another user.
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
            .context("setting the mode of the directory of an orchestrator")?;
        let [port, worker_port] = [whim_testkit::free_port()?, whim_testkit::free_port()?];
        let to_postgres = Proxy::start(address_of(&shared.database_url)?)?;
        let to_redis = Proxy::start(address_of(&shared.redis_url)?)?;
        let from_workers = Proxy::start((Ipv4Addr::LOCALHOST, worker_port).into())?;
        let through = |url: &Url, proxy: &Proxy| -> anyhow::Result<OsString> {
            let mut url = url.clone();
            let replaced = url.set_port(Some(proxy.address().port()));
            ensure!(replaced.is_ok(), "{url} cannot have a port");
            Ok(url.as_str().into())
        };
        let own = [
            ("DATABASE_URL", through(&shared.database_url, &to_postgres)?),
            ("REDIS_URL", through(&shared.redis_url, &to_redis)?),
            ("PORT", port.to_string().into()),
            ("WORKER_PORT", worker_port.to_string().into()),
            (
                "WORKER_ORCHESTRATOR_URL",
                format!("http://{}", from_workers.address()).into(),
            ),
            ("WORKSPACES_DIR", directory.join("workspaces").into()),
            ("HOME", directory.into()),
        ];
        let all = own.into_iter().chain(shared.settings.iter().cloned());
        let api =
            Url::parse(&format!("http://127.0.0.1:{port}")).context("building the URL of an orchestrator")?;
        Ok(Self {
            directory: directory.to_owned(),
            environment: all.map(|(name, value)| (name.to_owned(), value)).collect(),
            program: None,
            client: Client::new(api, None, TIMING)?,
            to_postgres,
            to_redis,
            from_workers,
        })
    }

    /// Starts it unless it is running.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        if self.program.is_none() {
            let (program, _ready) =
                Program::start("whim-orchestrator", &self.directory, &self.environment).await?;
            self.program = Some(program);
        }
        Ok(())
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn is_running(&self) -> bool {
        self.program.is_some()
    }

    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        match self.program.take() {
            Some(program) => program.kill().await,
            None => Ok(()),
        }
    }

    /// Stops it gracefully, which must succeed in time even while its peers are down. Returns whether it exited with 0.
    pub(super) async fn stop(&mut self) -> anyhow::Result<bool> {
        match self.program.take() {
            Some(program) => Ok(program.stop().await?.success()),
            None => Ok(true),
        }
    }

    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.program
            .as_ref()
            .map_or(Ok(()), |program| program.signal(signal))
    }

    pub(super) fn connections(&self) -> [&Proxy; 3] {
        [&self.to_postgres, &self.to_redis, &self.from_workers]
    }

    /// All processes of its workers, including shims.
    pub(super) fn worker_processes(&self) -> Vec<ProcessIdentity> {
        let Ok(entries) = fs::read_dir(self.directory.join("workspaces")) else {
            return Vec::new();
        };
        let attempts = entries.flatten().filter(|entry| entry.path().is_dir());
        attempts
            .filter_map(|entry| entry.file_name().into_string().ok())
            .flat_map(|attempt| find_by_environment(ATTEMPT_MARKER, &attempt).unwrap_or_default())
            .collect()
    }

    /// Panics in its log.
    pub(super) fn panics(&self) -> anyhow::Result<Vec<String>> {
        let log = self.directory.join("whim-orchestrator.log");
        let log = fs::read_to_string(log).context("reading the log of an orchestrator")?;
        Ok(log
            .lines()
            .filter(|line| line.contains("panicked"))
            .map(str::to_owned)
            .collect())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // An orchestrator leaves its workers running when it exits.
        for process in self.worker_processes() {
            // It may have exited meanwhile.
            process.signal(Signal::KILL).ok();
        }
    }
}

fn address_of(url: &Url) -> anyhow::Result<SocketAddr> {
    let addresses = url.socket_addrs(|| None).context("resolving an address")?;
    addresses.first().copied().context("a URL without an address")
}

/// The scripted `ralph` starts no agent. The runtime requires that the agent's program exists all the same.
pub(super) fn programs(ralph: PathBuf) -> anyhow::Result<[(&'static str, OsString); 3]> {
    Ok([
        ("WORKER_BIN", program("whim-worker")?.into()),
        ("CLAUDE_BIN", ralph.clone().into()),
        ("RALPH_BIN", ralph.into()),
    ])
}
