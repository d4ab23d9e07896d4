//! A TCP proxy that breaks connections on demand.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::background::Background;
use crate::server::listen;

const BUFFER_BYTES: usize = 16 * 1024;

/// A proxy in front of one address; closes all its connections on drop.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _running: Background,
}

#[derive(Debug)]
struct Shared {
    line: watch::Sender<Line>,
    /// A request that contains this gets no reply, once.
    unanswered: RwLock<Option<Vec<u8>>>,
    dropped_replies: AtomicUsize,
}

/// The state of the proxied connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Whole,
    Slow(Duration),
    HalfOpen,
    Cut,
}

impl Proxy {
    /// Listens on a loopback port and forwards to `upstream`, which may start later.
    ///
    /// # Errors
    /// No port can be bound.
    pub fn start(upstream: SocketAddr) -> anyhow::Result<Self> {
        let listener = listen()?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            line: watch::Sender::new(Line::Whole),
            unanswered: RwLock::new(None),
            dropped_replies: AtomicUsize::new(0),
        });
        let running = Background::start("proxy", serve(listener, upstream, Arc::clone(&shared)))?;
        Ok(Self {
            address,
            shared,
            _running: running,
        })
    }

    /// The address of the proxy.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection, and each new one at once.
    pub fn cut(&self) {
        self.shared.line.send_replace(Line::Cut);
    }

    /// Delays everything by this time, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.shared.line.send_replace(Line::Slow(delay));
    }

    /// Keeps connections open and accepts new ones, but forwards nothing until [`Proxy::heal`], like a network
    /// partition.
    pub fn half_open(&self) {
        self.shared.line.send_replace(Line::HalfOpen);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.shared.line.send_replace(Line::Whole);
    }

    /// Forwards the next request that contains `request_contains` and closes the connection instead of forwarding the
    /// reply: the request takes effect without a response.
    pub fn drop_reply_to(&self, request_contains: impl Into<Vec<u8>>) {
        *self
            .shared
            .unanswered
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(request_contains.into());
    }

    /// The number of dropped replies.
    pub fn dropped_replies(&self) -> usize {
        self.shared.dropped_replies.load(Ordering::SeqCst)
    }
}

async fn serve(
    listener: std::net::TcpListener,
    upstream: SocketAddr,
    shared: Arc<Shared>,
) -> anyhow::Result<()> {
    let listener = TcpListener::from_std(listener).context("listen")?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (client, _peer) = accepted.context("accept a connection")?;
                connections.spawn(connection(client, upstream, Arc::clone(&shared)));
            }
            Some(ended) = connections.join_next() => {
                // Either side may break its connection at any time.
                if let Ok(Err(error)) = ended {
                    tracing::debug!(%error, "a connection through the proxy ended");
                }
            }
        }
    }
}

async fn connection(client: TcpStream, upstream: SocketAddr, shared: Arc<Shared>) -> io::Result<()> {
    let mut line = shared.line.subscribe();
    let pass = async {
        wait_while_half_open(&shared).await;
        let server = TcpStream::connect(upstream).await?;
        let (mut client_reads, mut client_writes) = client.into_split();
        let (mut server_reads, mut server_writes) = server.into_split();
        let owed = AtomicBool::new(false);
        tokio::try_join!(
            pump(
                &mut client_reads,
                &mut server_writes,
                &shared,
                Requests {
                    shared: &shared,
                    owed: &owed,
                    tail: Vec::new()
                }
            ),
            pump(
                &mut server_reads,
                &mut client_writes,
                &shared,
                Replies {
                    shared: &shared,
                    owed: &owed
                }
            ),
        )
    };
    tokio::select! {
        passed = pass => passed.map(|_| ()),
        _ = line.wait_for(|line| *line == Line::Cut) => Ok(()),
    }
}

async fn wait_while_half_open(shared: &Shared) {
    let mut line = shared.line.subscribe();
    // The sender lives as long as this borrow.
    if line.wait_for(|line| *line != Line::HalfOpen).await.is_err() {
        tracing::debug!("the proxy was dropped");
    }
}

/// Searches the bytes of one direction.
trait Inspect {
    /// Called before the bytes are passed on; an error closes the connection instead.
    fn inspect(&mut self, bytes: &[u8]) -> io::Result<()>;
}

struct Requests<'a> {
    shared: &'a Shared,
    owed: &'a AtomicBool,
    /// The last bytes that passed: a match may be split between two reads.
    tail: Vec<u8>,
}

struct Replies<'a> {
    shared: &'a Shared,
    /// Whether a request passed whose reply is to be dropped.
    owed: &'a AtomicBool,
}

impl Inspect for Requests<'_> {
    fn inspect(&mut self, bytes: &[u8]) -> io::Result<()> {
        let wanted = self
            .shared
            .unanswered
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(wanted) = wanted.as_deref() else {
            self.tail.clear();
            return Ok(());
        };
        self.tail.extend_from_slice(bytes);
        if wanted.is_empty() || self.tail.windows(wanted.len()).any(|window| window == wanted) {
            self.owed.store(true, Ordering::SeqCst);
        }
        let surplus = self.tail.len().saturating_sub(wanted.len());
        self.tail.drain(..surplus);
        Ok(())
    }
}

impl Inspect for Replies<'_> {
    fn inspect(&mut self, _bytes: &[u8]) -> io::Result<()> {
        if !self.owed.load(Ordering::SeqCst) {
            return Ok(());
        }
        // Another connection may have consumed it.
        if self
            .shared
            .unanswered
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .is_none()
        {
            return Ok(());
        }
        self.shared.dropped_replies.fetch_add(1, Ordering::SeqCst);
        Err(io::Error::other("the reply was dropped"))
    }
}

async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    shared: &Shared,
    mut inspector: impl Inspect,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        wait_while_half_open(shared).await;
        let line = *shared.line.borrow();
        if let Line::Slow(delay) = line {
            tokio::time::sleep(delay).await;
        }
        if read == 0 {
            return to.shutdown().await;
        }
        inspector.inspect(&buffer[..read])?;
        to.write_all(&buffer[..read]).await?;
    }
}
