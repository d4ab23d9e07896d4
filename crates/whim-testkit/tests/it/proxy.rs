//! The fault-injecting proxy.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use whim_testkit::proxy::Proxy;
use whim_testkit::wait::wait_until;

const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough for a reply in flight to arrive.
const MOMENT: Duration = Duration::from_millis(200);

/// Echoes each message, and counts them.
struct Echo {
    address: SocketAddr,
    heard: Arc<AtomicUsize>,
    _connections: JoinSet<()>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&heard);
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let counter = Arc::clone(&counter);
                open.spawn(async move {
                    let mut buffer = [0; 64];
                    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                        counter.fetch_add(1, Ordering::SeqCst);
                        stream.write_all(&buffer[..read]).await.unwrap();
                    }
                });
            }
        });
        Self {
            address,
            heard,
            _connections: connections,
        }
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

/// Sends a message and returns the reply; `None` if the connection is closed.
async fn ask(stream: &mut TcpStream, word: &str) -> String {
    stream.write_all(word.as_bytes()).await.unwrap();
    answer(stream).await
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 64];
    let read = timeout(PATIENCE, stream.read(&mut buffer))
        .await
        .unwrap()
        .unwrap_or(0);
    String::from_utf8(buffer[..read].to_vec()).unwrap()
}

#[tokio::test]
async fn a_cut_ends_connections_until_it_is_healed() {
    let echo = Echo::start().await;
    let proxy = Proxy::start(echo.address).unwrap();
    let mut stream = connect(&proxy).await;
    assert_eq!(ask(&mut stream, "one").await, "one");
    proxy.cut();
    assert_eq!(answer(&mut stream).await, "");
    assert_eq!(answer(&mut connect(&proxy).await).await, "");
    proxy.heal();
    assert_eq!(ask(&mut connect(&proxy).await, "two").await, "two");
}

#[tokio::test]
async fn half_open_holds_back_what_arrives_after_it_is_healed() {
    let echo = Echo::start().await;
    let proxy = Proxy::start(echo.address).unwrap();
    let mut old = connect(&proxy).await;
    assert_eq!(ask(&mut old, "one").await, "one");
    proxy.half_open();
    let mut new = connect(&proxy).await;
    for stream in [&mut old, &mut new] {
        timeout(MOMENT, ask(stream, "two")).await.unwrap_err();
    }
    assert_eq!(echo.heard(), 1);
    proxy.heal();
    for stream in [&mut old, &mut new] {
        assert_eq!(answer(stream).await, "two");
    }
}

#[tokio::test]
async fn a_delay_holds_back_both_directions() {
    let echo = Echo::start().await;
    let proxy = Proxy::start(echo.address).unwrap();
    proxy.delay(MOMENT);
    let mut stream = connect(&proxy).await;
    let asked = tokio::time::Instant::now();
    assert_eq!(ask(&mut stream, "one").await, "one");
    assert!(asked.elapsed() >= 2 * MOMENT);
}

#[tokio::test]
async fn a_dropped_reply_is_one_to_a_request_that_happened() {
    let echo = Echo::start().await;
    let proxy = Proxy::start(echo.address).unwrap();
    proxy.drop_reply_to("complete");
    let mut heartbeat = connect(&proxy).await;
    assert_eq!(ask(&mut heartbeat, "heartbeat").await, "heartbeat");
    let mut stream = connect(&proxy).await;
    // In two pieces, which are both forwarded.
    assert_eq!(ask(&mut stream, "com").await, "com");
    assert_eq!(ask(&mut stream, "plete").await, "");
    wait_until("the request to arrive", PATIENCE, async || match echo.heard() {
        3 => Ok(()),
        other => Err(format!("{other} arrived")),
    })
    .await
    .unwrap();
    assert_eq!(proxy.dropped_replies(), 1);
    assert_eq!(
        ask(&mut connect(&proxy).await, "complete").await,
        "complete",
        "only once"
    );
}
