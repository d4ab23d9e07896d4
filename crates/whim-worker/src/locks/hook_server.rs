//! Answers the agent's pre-edit hooks at a unix socket.
//!
//! The agent runs as the same user as the worker in every runtime, so a directory with mode 0700 admits the agent and no
//! other user. The only request is for the lock of a file in the workspace, and no answer contains a secret.

use std::convert::Infallible;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::lock_client::LockClient;
use super::lock_scope::LockScope;
use super::protocol::{LockDecision, LockRequest, MAX_LINE_BYTES, SOCKET};

/// Further connections wait in the socket's backlog.
const MAX_CONNECTIONS: usize = 32;
/// Timeout of reading a request, and of writing a decision.
const LINE_TIMEOUT: Duration = Duration::from_secs(5);
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
#[error("opening a socket in {}", .directory.display())]
pub struct HookServerError {
    directory: PathBuf,
    source: io::Error,
}

/// The socket is closed and its directory removed when this is dropped.
#[derive(Debug)]
pub struct HookServer {
    listener: UnixListener,
    directory: PathBuf,
}

impl Drop for HookServer {
    /// A later run of the agent gets a directory of its own.
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            tracing::warn!(%error, "the directory of the hook server cannot be removed");
        }
    }
}

#[derive(Clone, Debug)]
struct ConnectionHandler {
    lock_client: LockClient,
    workspace: PathBuf,
    run_directory: String,
}

impl HookServer {
    /// Creates `directory` and the socket in it.
    ///
    /// # Errors
    /// The directory exists already, or one of them cannot be created.
    pub fn open(directory: &Path) -> Result<Self, HookServerError> {
        let open = || {
            DirBuilder::new().mode(0o700).create(directory)?;
            let handle = File::open(directory)?;
            // The path of a socket is limited to 107 bytes, which a deep directory exceeds.
            let short = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
            UnixListener::bind(short.join(SOCKET))
        };
        let listener = open().map_err(|source| HookServerError {
            directory: directory.to_owned(),
            source,
        })?;
        Ok(Self {
            listener,
            directory: directory.to_owned(),
        })
    }

    /// Serves until the future is dropped. `workspace` must be canonical; `run_directory` is relative to it.
    pub async fn serve(&self, lock_client: &LockClient, workspace: &Path, run_directory: &str) -> Infallible {
        let handler = ConnectionHandler {
            lock_client: lock_client.clone(),
            workspace: workspace.to_owned(),
            run_directory: run_directory.to_owned(),
        };
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                    Ok((connection, _)) => {
                        let handler = handler.clone();
                        connections.spawn(async move { handler.handle_connection(connection).await });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "failed to accept a connection of a hook");
                        sleep(ACCEPT_RETRY_DELAY).await;
                    }
                },
                Some(finished) = connections.join_next() => {
                    if let Ok(Err(error)) = finished {
                        tracing::debug!(%error, "a hook disconnected without a decision");
                    }
                }
            }
        }
    }
}

impl ConnectionHandler {
    async fn handle_connection(&self, mut connection: UnixStream) -> io::Result<()> {
        let (reader, mut writer) = connection.split();
        let mut reader = BufReader::new(reader.take(MAX_LINE_BYTES));
        let mut line = Vec::new();
        timeout(LINE_TIMEOUT, reader.read_until(b'\n', &mut line)).await??;
        let request: LockRequest = serde_json::from_slice(&line)?;
        let decision = tokio::select! {
            decision = self.decide(&request) => decision,
            // The hook was terminated: it does not need the lock any more.
            _ = reader.read_u8() => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        let mut line = serde_json::to_vec(&decision)?;
        line.push(b'\n');
        timeout(LINE_TIMEOUT, writer.write_all(&line)).await?
    }

    async fn decide(&self, request: &LockRequest) -> LockDecision {
        match LockScope::of(Path::new(&request.path), &self.workspace, &self.run_directory) {
            LockScope::NotLockable => LockDecision::Allowed,
            LockScope::Repository(file) => self.lock_client.lock_before_edit(&file).await,
        }
    }
}
