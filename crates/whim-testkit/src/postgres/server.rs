//! A Postgres server.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::installation::{Installation, ROLE};
use crate::process::{EndSignal, ServerProcess, bound_command, free_port};
use crate::wait::wait_until;

/// Postgres answers SIGQUIT with an immediate shutdown: its data is thrown away or recovered from the log anyway.
const IMMEDIATE_SHUTDOWN: EndSignal = EndSignal::Quit;
const START_PATIENCE: Duration = Duration::from_secs(60);
const PORT_ATTEMPTS: usize = 5;

/// Settings of a server whose data may be lost.
const FOR_TESTS: [&str; 3] = ["shared_buffers=32MB", "fsync=off", "full_page_writes=off"];
/// Settings of a durable server: the defaults of Postgres.
const DURABLE: [&str; 3] = ["shared_buffers=128MB", "fsync=on", "full_page_writes=on"];

/// A Postgres server. Clones share it; dropping the last one stops a server that the test started and removes its data.
#[derive(Debug, Clone)]
pub struct Postgres(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// URL of the maintenance database.
    url: String,
    /// `None` for a server that the test did not start.
    own: Option<OwnServer>,
}

#[derive(Debug)]
struct OwnServer {
    installation: Installation,
    port: u16,
    settings: &'static [&'static str],
    // Ends before its files are removed: fields are dropped in this order.
    process: Mutex<Option<ServerProcess>>,
    files: TempDir,
}

impl Postgres {
    /// A server that the test did not start.
    pub(super) fn external(url: String) -> Self {
        Self(Arc::new(Inner { url, own: None }))
    }

    /// Whether dropping this value stops the server.
    pub(super) fn is_own(&self) -> bool {
        self.0.own.is_some()
    }

    /// Starts a server on a free loopback port, whatever `DATABASE_URL` says: for tests that stop it.
    ///
    /// # Errors
    /// When Postgres is not installed or does not start; with the end of its log.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(&FOR_TESTS, None).await
    }

    /// Like [`Self::start`] with durable commits, for benchmarks.
    ///
    /// # Errors
    /// Those of [`Self::start`].
    pub async fn start_durable() -> anyhow::Result<Self> {
        Self::start_with(&DURABLE, None).await
    }

    /// The same as [`Self::start`] with its data below another directory, which every user can pass through.
    ///
    /// # Errors
    /// Those of [`Self::start`].
    pub async fn start_on(place: &Path) -> anyhow::Result<Self> {
        Self::start_with(&FOR_TESTS, Some(place)).await
    }

    async fn start_with(settings: &'static [&'static str], place: Option<&Path>) -> anyhow::Result<Self> {
        let installation = tokio::task::spawn_blocking(Installation::prepare).await??;
        let mut attempt = 1;
        loop {
            let server = OwnServer::new(installation.clone(), free_port()?, settings, place)?;
            match server.run().await {
                Ok(()) => {
                    let url = server.url();
                    return Ok(Self(Arc::new(Inner {
                        url,
                        own: Some(server),
                    })));
                }
                // Another process may take the port before the server listens on it.
                Err(StartError::PortTaken) if attempt < PORT_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// URL of the maintenance database, not of one for tests.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Stops the server at once, as a crash would: connections break, and the next start recovers from the log.
    ///
    /// # Errors
    /// The test did not start the server.
    pub async fn stop_immediate(&self) -> anyhow::Result<()> {
        let process = self.own()?.process.lock().await.take();
        tokio::task::spawn_blocking(move || drop(process)).await?;
        Ok(())
    }

    /// Starts the server again, on the same port and with the same data; stops it first when it runs.
    ///
    /// # Errors
    /// The test did not start the server, or it does not start again.
    pub async fn restart(&self) -> anyhow::Result<()> {
        self.stop_immediate().await?;
        Ok(self.own()?.run().await?)
    }

    /// Starts the server again when it does not run, on the same port and with the same data.
    ///
    /// # Errors
    /// The test did not start the server, or it does not start again.
    pub async fn start_again(&self) -> anyhow::Result<()> {
        let running = |process: &ServerProcess| process.exited().is_none();
        if self.own()?.process.lock().await.as_ref().is_some_and(running) {
            return Ok(());
        }
        self.restart().await
    }

    fn own(&self) -> anyhow::Result<&OwnServer> {
        self.0
            .own
            .as_ref()
            .ok_or_else(|| anyhow!("only a server of the test's own can be stopped; use Postgres::start()"))
    }

    /// Connects to `database`, or to the one for maintenance.
    pub(super) async fn connect(&self, database: Option<&str>) -> anyhow::Result<PgConnection> {
        let mut options = PgConnectOptions::from_str(&self.0.url).context("read the URL of Postgres")?;
        if let Some(database) = database {
            options = options.database(database);
        }
        PgConnection::connect_with(&options)
            .await
            .context("connect to Postgres")
    }
}

#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("start Postgres: its port was taken")]
    PortTaken,
    #[error("start Postgres")]
    Failed(#[source] anyhow::Error),
}

impl OwnServer {
    fn new(
        installation: Installation,
        port: u16,
        settings: &'static [&'static str],
        place: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let files = installation.new_data_directory(place)?;
        Ok(Self {
            installation,
            port,
            settings,
            process: Mutex::new(None),
            files,
        })
    }

    fn url(&self) -> String {
        format!(
            "postgres://{}@{}:{}/postgres",
            ROLE,
            Ipv4Addr::LOCALHOST,
            self.port
        )
    }

    fn log_path(&self) -> PathBuf {
        self.files.path().join("server.log")
    }

    /// Starts the process and waits until it answers.
    async fn run(&self) -> Result<(), StartError> {
        let mut process = self.process.lock().await;
        let started = self.spawn().map_err(StartError::Failed)?;
        let answered = wait_until("Postgres to answer", START_PATIENCE, async || {
            if let Some(status) = started.exited() {
                return Ok(Err(status));
            }
            PgConnection::connect(&self.url()).await.map(|_connection| Ok(()))
        })
        .await;
        let end = match answered {
            Ok(Ok(())) => {
                *process = Some(started);
                return Ok(());
            }
            Ok(Err(status)) => anyhow!("it exited at once ({status})"),
            Err(timed_out) => timed_out,
        };
        let log = fs::read_to_string(self.log_path()).unwrap_or_else(|error| format!("no log: {error}"));
        if log.contains("Address already in use") {
            return Err(StartError::PortTaken);
        }
        Err(StartError::Failed(end.context(format!("its log says: {log}"))))
    }

    fn spawn(&self) -> anyhow::Result<ServerProcess> {
        let Installation { bin, user, .. } = &self.installation;
        let log = File::create(self.log_path()).context("create the log of Postgres")?;
        let mut command = bound_command(&bin.join("postgres"), *user, IMMEDIATE_SHUTDOWN);
        command
            .arg("-D")
            .arg(self.files.path().join("data"))
            .args(["-p", &self.port.to_string()]);
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            // nextest runs each test as a process of its own, each with its own pool.
            "max_connections=300",
            "timezone=UTC",
        ];
        let settings = settings.iter().chain(self.settings);
        command.args(settings.flat_map(|setting| ["-c", *setting]));
        command.stdout(log.try_clone()?).stderr(log);
        ServerProcess::start(command, IMMEDIATE_SHUTDOWN)
    }
}
