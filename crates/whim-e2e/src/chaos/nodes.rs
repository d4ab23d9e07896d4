//! The orchestrators of a run, each with lines of its own to everything that it talks to.

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

/// The variable by which a worker and everything that it started can be told from other processes.
const ATTEMPT_MARKER: &str = "WHIM_ATTEMPT";

/// A call that takes longer is tried at the other orchestrator, or later.
const TIMING: Timing = Timing {
    connect: Duration::from_millis(500),
    attempt: Duration::from_millis(1500),
    retries: 0,
    first_delay: Duration::from_millis(100),
    longest_delay: Duration::from_millis(100),
};

/// What all orchestrators of a run share.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    pub(super) database_url: Url,
    pub(super) redis_url: Url,
    pub(super) settings: Vec<(&'static str, OsString)>,
}

/// One orchestrator: its place, its lines, and its process when it runs.
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
    pub(super) fn new(directory: &Path, around: &Surroundings) -> anyhow::Result<Self> {
        fs::create_dir(directory).context("making the directory of an orchestrator")?;
        // Workers may run as other users.
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
            .context("opening the directory of an orchestrator")?;
        let [port, worker_port] = [whim_testkit::free_port()?, whim_testkit::free_port()?];
        let to_postgres = Proxy::start(address_of(&around.database_url)?)?;
        let to_redis = Proxy::start(address_of(&around.redis_url)?)?;
        let from_workers = Proxy::start((Ipv4Addr::LOCALHOST, worker_port).into())?;
        let through = |url: &Url, line: &Proxy| -> anyhow::Result<OsString> {
            let mut url = url.clone();
            let replaced = url.set_port(Some(line.address().port()));
            ensure!(replaced.is_ok(), "{url} takes no port");
            Ok(url.as_str().into())
        };
        let own = [
            ("DATABASE_URL", through(&around.database_url, &to_postgres)?),
            ("REDIS_URL", through(&around.redis_url, &to_redis)?),
            ("PORT", port.to_string().into()),
            ("WORKER_PORT", worker_port.to_string().into()),
            (
                "WORKER_ORCHESTRATOR_URL",
                format!("http://{}", from_workers.address()).into(),
            ),
            ("WORKSPACES_DIR", directory.join("workspaces").into()),
            ("HOME", directory.into()),
        ];
        let all = own.into_iter().chain(around.settings.iter().cloned());
        let api = Url::parse(&format!("http://127.0.0.1:{port}")).context("an address")?;
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

    /// Starts it when it does not run.
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

    /// Asks it to stop; it has to, in time, whatever is away. Answers whether everything was in order.
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

    /// The lines that can break.
    pub(super) fn lines(&self) -> [&Proxy; 3] {
        [&self.to_postgres, &self.to_redis, &self.from_workers]
    }

    /// Every process of its workers, keepers included.
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

    /// What it and its workers should never say.
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
        // An orchestrator leaves its workers running when it ends; a run does not.
        for process in self.worker_processes() {
            // One that ended meanwhile needs no signal.
            drop(process.signal(Signal::KILL));
        }
    }
}

fn address_of(url: &Url) -> anyhow::Result<SocketAddr> {
    let addresses = url.socket_addrs(|| None).context("reading an address")?;
    addresses.first().copied().context("a URL without an address")
}

/// The programs that orchestrators start.
pub(super) fn programs(ralph: PathBuf) -> anyhow::Result<[(&'static str, OsString); 2]> {
    Ok([
        ("WORKER_BIN", program("whim-worker")?.into()),
        ("RALPH_BIN", ralph.into()),
    ])
}
