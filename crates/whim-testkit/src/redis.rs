//! A Redis: the one that `REDIS_URL` names, with a prefix of the test's own, or a server of its own.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use ::redis::{AsyncCommands as _, Client, RedisError};
use anyhow::{Context as _, anyhow};
use futures::TryStreamExt as _;
use tempfile::TempDir;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::process::{EndSignal, ServerProcess, bound_command, free_port};
use crate::tools;
use crate::wait::wait_until;

const START_PATIENCE: Duration = Duration::from_secs(30);
const PORT_ATTEMPTS: usize = 5;

/// A Redis for one test. On drop, its server is stopped, or the keys under its prefix are deleted.
#[derive(Debug)]
pub struct TestRedis {
    url: String,
    prefix: String,
    /// `None` for a server that the test did not start.
    own: Option<OwnServer>,
}

#[derive(Debug)]
struct OwnServer {
    port: u16,
    // Ends before its files are removed: fields are dropped in this order.
    process: Mutex<Option<ServerProcess>>,
    files: TempDir,
}

impl TestRedis {
    /// The server at `REDIS_URL`, or else a new one.
    ///
    /// # Errors
    /// When Redis is not installed or does not start.
    pub async fn shared_or_start() -> anyhow::Result<Self> {
        match tools::environment("REDIS_URL") {
            Some(url) => Ok(Self::at(url)),
            None => Self::start().await,
        }
    }

    /// A server that the test did not start.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: new_prefix(),
            own: None,
        }
    }

    /// Starts a server on a free loopback port, whatever `REDIS_URL` says: for tests that stop it.
    ///
    /// # Errors
    /// When Redis is not installed or does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let mut attempt = 1;
        loop {
            let files = tempfile::tempdir().context("create a directory for Redis")?;
            let server = OwnServer {
                port: free_port()?,
                process: Mutex::new(None),
                files,
            };
            match server.run().await {
                Ok(()) => {
                    return Ok(Self {
                        url: server.url(),
                        prefix: new_prefix(),
                        own: Some(server),
                    });
                }
                // Another process may take the port before the server listens on it.
                Err(_) if attempt < PORT_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The value of `REDIS_URL` for the program under test.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Prefix of keys and channels that separates tests on a shared server.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Stops the server at once; its data is lost.
    ///
    /// # Errors
    /// The test did not start the server.
    pub async fn stop(&self) -> anyhow::Result<()> {
        let process = self.own()?.process.lock().await.take();
        tokio::task::spawn_blocking(move || drop(process)).await?;
        Ok(())
    }

    /// Starts the server again on the same port, with nothing in it; stops it first when it runs.
    ///
    /// # Errors
    /// The test did not start the server, or it does not start again.
    pub async fn restart_empty(&self) -> anyhow::Result<()> {
        self.stop().await?;
        self.own()?.run().await
    }

    /// Starts the server again when it does not run, with nothing in it.
    ///
    /// # Errors
    /// The test did not start the server, or it does not start again.
    pub async fn start_again(&self) -> anyhow::Result<()> {
        let running = |process: &ServerProcess| process.exited().is_none();
        if self.own()?.process.lock().await.as_ref().is_some_and(running) {
            return Ok(());
        }
        self.restart_empty().await
    }

    fn own(&self) -> anyhow::Result<&OwnServer> {
        self.own
            .as_ref()
            .ok_or_else(|| anyhow!("only a server of the test's own can be stopped; use TestRedis::start()"))
    }

    async fn delete_keys(&self) -> anyhow::Result<()> {
        let client = Client::open(self.url.as_str())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let keys: Vec<String> = connection
            .clone()
            .scan_match(format!("{}*", self.prefix))
            .await?
            .try_collect()
            .await?;
        if !keys.is_empty() {
            connection.del::<_, ()>(keys).await?;
        }
        Ok(())
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        if self.own.is_some() || thread::panicking() {
            return;
        }
        // The test's own runtime may be this thread's, and cannot be waited for.
        let deleted = thread::scope(|scope| {
            let work = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(self.delete_keys())
            });
            work.join()
                .unwrap_or_else(|_| Err(anyhow!("the thread panicked")))
        });
        if let Err(error) = deleted {
            tracing::warn!(prefix = self.prefix, "keys could not be deleted: {error:#}");
        }
    }
}

impl OwnServer {
    fn url(&self) -> String {
        format!("redis://{}:{}/", Ipv4Addr::LOCALHOST, self.port)
    }

    async fn run(&self) -> anyhow::Result<()> {
        let mut process = self.process.lock().await;
        let mut command = bound_command(&tools::redis_server()?, None, EndSignal::Kill);
        command.args([
            "--port",
            &self.port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        command.arg("--dir").arg(self.files.path());
        let log = File::create(self.files.path().join("redis.log")).context("create the log of Redis")?;
        command.stdout(log.try_clone()?).stderr(log);
        let started = ServerProcess::start(command, EndSignal::Kill)?;
        let client = Client::open(self.url())?;
        let answered = wait_until("Redis to answer", START_PATIENCE, async || {
            if let Some(status) = started.exited() {
                return Ok(Err(anyhow!("it exited at once ({status})")));
            }
            let mut connection = client.get_multiplexed_async_connection().await?;
            connection.ping::<()>().await?;
            Ok::<_, RedisError>(Ok(()))
        })
        .await;
        answered.and_then(|outcome| outcome).with_context(|| {
            let log = fs::read_to_string(self.files.path().join("redis.log")).unwrap_or_default();
            format!("start Redis; its log says: {log}")
        })?;
        *process = Some(started);
        Ok(())
    }
}

fn new_prefix() -> String {
    format!("whim-test-{}:", Uuid::new_v4().simple())
}
