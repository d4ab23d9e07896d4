//! Servers in the place of the orchestrator that misbehave, or that a test controls byte by byte.

use std::sync::{Arc, RwLock};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use whim_testkit::wait::wait_until;

use crate::world::TIMEOUT;

/// Reads the head of each request and gives the connection to the test.
pub(crate) struct Upstream {
    pub(crate) url: String,
    heads: Arc<RwLock<Vec<String>>>,
    connections: mpsc::Receiver<TcpStream>,
    _accepting: JoinSet<()>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heads: Arc<RwLock<Vec<String>>> = Arc::default();
        let (sender, connections) = mpsc::channel(100);
        let mut accepting = JoinSet::new();
        let seen = Arc::clone(&heads);
        accepting.spawn(async move {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                let head = read_head(&mut connection).await;
                seen.write().unwrap().push(head);
                sender.send(connection).await.unwrap();
            }
        });
        Self {
            url,
            heads,
            connections,
            _accepting: accepting,
        }
    }

    /// The next request's connection.
    pub(crate) async fn connection(&mut self) -> TcpStream {
        tokio::time::timeout(TIMEOUT, self.connections.recv())
            .await
            .expect("no request arrives")
            .unwrap()
    }

    /// Answers the next request, and closes the connection.
    pub(crate) async fn answer(&mut self, response: &str) {
        let mut connection = self.connection().await;
        connection.write_all(response.as_bytes()).await.unwrap();
    }

    /// The heads of all requests, in lower case.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.read().unwrap().clone()
    }
}

async fn read_head(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

/// The head of an event stream, whose events are chunks.
pub(crate) async fn begin_stream(connection: &mut TcpStream) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\
                transfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
}

pub(crate) async fn send_event(connection: &mut TcpStream, id: u32) {
    let event = format!("id: {id}\nevent: item\ndata: {{}}\n\n");
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    connection.write_all(chunk.as_bytes()).await.unwrap();
}

/// Waits until the other side has closed the connection.
pub(crate) async fn until_closed(connection: &mut TcpStream) {
    wait_until(
        "the connection to the orchestrator to be closed",
        TIMEOUT,
        async || match connection.read_u8().await {
            Ok(byte) => Err(format!("read {byte}")),
            Err(_closed) => Ok(()),
        },
    )
    .await
    .unwrap();
}
