//! A proxy in front of the engine's socket that can cut connections, and hold or drop one request or reply.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set its world up has failed"
)]

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::cli::engine_host;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not forwarded.
    Held,
    /// It is forwarded; the reply is not.
    ReplyHeld,
    /// It is forwarded; the connection ends instead of the reply.
    ReplyLost,
}

/// Applies a fault to the first request that matches.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub method: &'static str,
    /// A substring of the request line.
    pub path: &'static str,
    pub fault: Fault,
}

/// Listens at a socket of its own until it is dropped.
#[derive(Debug)]
pub struct EngineRelay {
    directory: tempfile::TempDir,
    shared: Arc<Shared>,
    _running: JoinSet<io::Result<()>>,
}

#[derive(Debug)]
struct Shared {
    engine: PathBuf,
    rule: Option<Rule>,
    used: AtomicBool,
    reached: Notify,
    cut: Notify,
}

impl EngineRelay {
    /// # Panics
    /// The socket cannot be bound.
    pub fn open() -> Self {
        Self::opened(None)
    }

    /// # Panics
    /// The socket cannot be bound.
    pub fn with(rule: Rule) -> Self {
        Self::opened(Some(rule))
    }

    fn opened(rule: Option<Rule>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("socket")).unwrap();
        let shared = Arc::new(Shared {
            engine: PathBuf::from(engine_host().trim_start_matches("unix://")),
            rule,
            used: AtomicBool::new(false),
            reached: Notify::new(),
            cut: Notify::new(),
        });
        let mut running = JoinSet::new();
        running.spawn(accept(listener, Arc::clone(&shared)));
        Self {
            directory,
            shared,
            _running: running,
        }
    }

    pub fn host(&self) -> String {
        format!("unix://{}", self.directory.path().join("socket").display())
    }

    /// Ends every connection; new ones are accepted.
    pub fn cut(&self) {
        self.shared.cut.notify_waiters();
    }

    /// Waits until the fault was applied.
    ///
    /// # Panics
    /// No request matched in time.
    pub async fn reached(&self) {
        tokio::time::timeout(REQUEST_TIMEOUT, self.shared.reached.notified())
            .await
            .unwrap_or_else(|_| panic!("no request matched {:?}", self.shared.rule));
    }
}

async fn accept(listener: UnixListener, shared: Arc<Shared>) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await?;
        connections.spawn(connect(client, Arc::clone(&shared)));
    }
}

async fn connect(client: UnixStream, shared: Arc<Shared>) -> io::Result<()> {
    let cut = shared.cut.notified();
    tokio::select! {
        passed = pass(client, &shared) => passed,
        () = cut => Ok(()),
    }
}

async fn pass(mut client: UnixStream, shared: &Shared) -> io::Result<()> {
    let mut engine = UnixStream::connect(&shared.engine).await?;
    let (mut request_buffer, mut reply_buffer) = ([0; 16 * 1024], [0; 16 * 1024]);
    let mut asking = true;
    loop {
        tokio::select! {
            read = client.read(&mut request_buffer), if asking => {
                let request = &request_buffer[..read?];
                if request.is_empty() {
                    // Half-closed: the output continues.
                    asking = false;
                    engine.shutdown().await?;
                    continue;
                }
                let Some(fault) = shared.fault(request) else {
                    engine.write_all(request).await?;
                    continue;
                };
                if fault != Fault::Held {
                    engine.write_all(request).await?;
                    engine.readable().await?;
                }
                shared.reached.notify_one();
                if fault == Fault::ReplyLost {
                    return Ok(());
                }
                std::future::pending::<()>().await;
            }
            read = engine.read(&mut reply_buffer) => {
                let answer = &reply_buffer[..read?];
                if answer.is_empty() {
                    return client.shutdown().await;
                }
                client.write_all(answer).await?;
            }
        }
    }
}

impl Shared {
    /// Clients send a request in one piece and wait for its reply before the next.
    fn fault(&self, piece: &[u8]) -> Option<Fault> {
        let Rule { method, path, fault } = self.rule?;
        let head = String::from_utf8_lossy(piece);
        let line = head.lines().next()?;
        let is_it =
            line.starts_with(&format!("{method} /")) && line.ends_with(" HTTP/1.1") && line.contains(path);
        (is_it && !self.used.swap(true, Ordering::Relaxed)).then_some(fault)
    }
}
