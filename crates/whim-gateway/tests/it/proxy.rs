//! The proxy, with names that only its resolver knows.

use std::sync::atomic::Ordering;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use whim_testkit::wait::wait_until;

use crate::world::{AGENT, DELIVERY, TIMEOUT, World};

const HOST: &str = "registry.example.org";

/// A server that answers with what it gets, in upper case.
struct Echo {
    port: u16,
    _server: JoinSet<()>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                connections.spawn(async move {
                    let mut buffer = [0; 1024];
                    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                        let answer = buffer[..length].to_ascii_uppercase();
                        stream.write_all(&answer).await.unwrap();
                    }
                });
            }
        });
        Self {
            port,
            _server: server,
        }
    }

    /// A gateway that allows it, by name.
    async fn world(&self, settings: &[(&str, &str)]) -> World {
        let allowed = format!("{HOST}:{}", self.port);
        let mut all = vec![
            ("EGRESS_ALLOW", allowed.as_str()),
            ("EGRESS_PRIVATE_NETWORKS", "127.0.0.0/8"),
        ];
        all.extend(settings);
        let world = World::with(&all).await;
        world.resolver.set(HOST, &["127.0.0.1"]);
        world
    }
}

impl World {
    /// The head of the answer to `CONNECT`, and the connection.
    async fn connect(&self, target: &str, token: Option<&str>) -> (String, TcpStream) {
        let credentials = token.map_or(String::new(), |token| {
            let credentials = STANDARD.encode(format!("agent:{token}"));
            format!("Proxy-Authorization: Basic {credentials}\r\n")
        });
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{credentials}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match timeout(TIMEOUT, stream.read_u8()).await.expect("no answer") {
                Ok(byte) => head.push(byte),
                Err(_closed) => break,
            }
        }
        (String::from_utf8(head).unwrap(), stream)
    }

    /// Status and text of a refusal.
    async fn refused_target(&self, target: &str) -> (u16, String) {
        let (head, mut stream) = self.connect(target, Some(AGENT)).await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut text = Vec::new();
        stream.shutdown().await.unwrap();
        timeout(TIMEOUT, stream.read_to_end(&mut text))
            .await
            .unwrap()
            .unwrap();
        (status, String::from_utf8_lossy(&text).into_owned())
    }
}

async fn answers(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 5];
    stream.write_all(b"hello").await.is_ok()
        && timeout(TIMEOUT, stream.read_exact(&mut buffer))
            .await
            .unwrap()
            .is_ok()
        && &buffer == b"HELLO"
}

#[tokio::test]
async fn an_allowed_host_is_reached() {
    let echo = Echo::start().await;
    let world = echo.world(&[]).await;
    for token in [AGENT, DELIVERY] {
        let (head, mut stream) = world.connect(&format!("{HOST}:{}", echo.port), Some(token)).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(answers(&mut stream).await);
    }
}

#[tokio::test]
async fn a_token_is_needed() {
    let echo = Echo::start().await;
    let world = echo.world(&[]).await;
    let target = format!("{HOST}:{}", echo.port);
    let (head, _) = world.connect(&target, None).await;
    assert!(
        head.starts_with("HTTP/1.1 407") && head.to_lowercase().contains("proxy-authenticate: basic"),
        "{head}"
    );
    let (head, _) = world.connect(&target, Some("guessed")).await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    assert_eq!(world.resolver.lookups.load(Ordering::SeqCst), 0);
}

// docs/attacks.md, rows 20 and 22.
#[tokio::test]
async fn nothing_else_is_reached() {
    let echo = Echo::start().await;
    let world = echo.world(&[]).await;
    let port = echo.port;
    for target in [
        format!("other.example.org:{port}"),
        format!("x.{HOST}:{port}"),
        format!("{HOST}.evil.example:{port}"),
        format!("{HOST}:22"),
        format!("{HOST}:443"),
        format!("127.0.0.1:{port}"),
        format!("127.1:{port}"),
        format!("2130706433:{port}"),
        format!("0x7f000001:{port}"),
        format!("0177.0.0.1:{port}"),
        format!("[::1]:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("localhost:{port}"),
        format!("{HOST}.:{port}"),
        "169.254.169.254:80".to_owned(),
        "metadata.google.internal:80".to_owned(),
        "github.com:443".to_owned(),
        "gist.github.com:443".to_owned(),
        "api.anthropic.com:443".to_owned(),
    ] {
        let (status, text) = world.refused_target(&target).await;
        assert_eq!(status, 403, "{target}: {text}");
    }
    assert_eq!(
        world.resolver.lookups.load(Ordering::SeqCst),
        0,
        "a name was resolved"
    );
    let (_, text) = world.refused_target("github.com:443").await;
    assert!(text.contains("EGRESS_ALLOW=github.com"), "{text}");
    let (_, text) = world.refused_target("github.com:22").await;
    assert!(text.contains("EGRESS_ALLOW=github.com:22"), "{text}");
}

#[tokio::test]
async fn what_is_no_target_is_refused() {
    let echo = Echo::start().await;
    let world = echo.world(&[]).await;
    for target in [
        "/",
        "*",
        HOST,
        &format!("{HOST}:"),
        &format!("{HOST}:0"),
        &format!("{HOST}:99999"),
        &format!("user@{HOST}:{}", echo.port),
        &format!("http://{HOST}:{}/", echo.port),
        &format!("{HOST}:{}/x", echo.port),
    ] {
        let credentials = STANDARD.encode(format!("agent:{AGENT}"));
        let request = format!(
            "CONNECT {target} HTTP/1.1\r\nHost: {HOST}:{}\r\nProxy-Authorization: Basic {credentials}\r\nConnection: \
             close\r\n\r\n",
            echo.port
        );
        let answer = world.raw(&request).await;
        let is_refused = ["HTTP/1.1 400", "HTTP/1.1 403", "HTTP/1.1 404"];
        assert!(
            is_refused.iter().any(|status| answer.starts_with(status)),
            "{target}: {answer}"
        );
    }
    assert_eq!(world.resolver.lookups.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_reached() {
    let echo = Echo::start().await;
    let allowed = format!("{HOST}:{}", echo.port);
    let world = World::with(&[("EGRESS_ALLOW", &allowed)]).await;
    for addresses in [
        &["127.0.0.1"] as &[&str],
        &["::ffff:127.0.0.1"],
        &["::1"],
        &["10.0.0.1"],
        &["169.254.169.254"],
        &["64:ff9b::7f00:1"],
        // One of both: whichever a client would take.
        &["1.1.1.1", "127.0.0.1"],
    ] {
        world.resolver.set(HOST, addresses);
        let (status, text) = world.refused_target(&allowed).await;
        assert_eq!(status, 403, "{addresses:?}: {text}");
        assert!(text.contains("EGRESS_PRIVATE_NETWORKS"), "{text}");
    }
    // Metadata, whatever the operator allows.
    let world = echo.world(&[("EGRESS_PRIVATE_NETWORKS", "0.0.0.0/0,::/0")]).await;
    world.resolver.set(HOST, &["169.254.169.254"]);
    assert_eq!(world.refused_target(&allowed).await.0, 403);
    world.resolver.set(HOST, &["127.0.0.1"]);
    let (head, _) = world.connect(&allowed, Some(AGENT)).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
}

#[tokio::test]
async fn a_name_is_resolved_once() {
    let echo = Echo::start().await;
    let world = echo.world(&[]).await;
    let (_, mut stream) = world.connect(&format!("{HOST}:{}", echo.port), Some(AGENT)).await;
    // Rebinding: the second answer would be another address.
    world.resolver.set(HOST, &["169.254.169.254"]);
    assert!(answers(&mut stream).await);
    assert_eq!(world.resolver.lookups.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn everything_public_is_reached_if_the_operator_says_so() {
    let echo = Echo::start().await;
    let settings = [("EGRESS", "open"), ("EGRESS_PRIVATE_NETWORKS", "127.0.0.0/8")];
    let world = World::with(&settings).await;
    world.resolver.set("anything.example", &["127.0.0.1"]);
    world.resolver.set("inside.example", &["10.0.0.1"]);
    let (head, mut stream) = world
        .connect(&format!("anything.example:{}", echo.port), Some(AGENT))
        .await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(answers(&mut stream).await);
    assert_eq!(world.refused_target("inside.example:443").await.0, 403);
}

#[tokio::test]
async fn plain_http_is_not_proxied_and_no_way_to_the_other_paths() {
    let echo = Echo::start().await;
    let world = echo.world(&[]).await;
    for url in [
        format!("http://{HOST}:{}/", echo.port),
        format!("http://{HOST}/anthropic"),
        format!("http://{}/anthropic", world.address),
    ] {
        let answer = world
            .raw(&format!(
                "GET {url} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
            ))
            .await;
        assert!(
            answer.starts_with("HTTP/1.1 403") && answer.contains("HTTPS only"),
            "{answer}"
        );
    }
    let answer = world.request(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn tunnels_end_with_their_attempt() {
    let echo = Echo::start().await;
    let world = echo.world(&[]).await;
    let (_, mut stream) = world.connect(&format!("{HOST}:{}", echo.port), Some(AGENT)).await;
    assert!(answers(&mut stream).await);
    world.lookup.remove(AGENT);
    let mut rest = Vec::new();
    let ended = timeout(TIMEOUT, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the tunnel stays open");
}

#[tokio::test]
async fn tunnels_end_with_the_gateway() {
    let echo = Echo::start().await;
    let world = echo.world(&[]).await;
    let (_, mut stream) = world.connect(&format!("{HOST}:{}", echo.port), Some(AGENT)).await;
    assert!(answers(&mut stream).await);
    world.stop().await;
    let mut rest = Vec::new();
    assert!(timeout(TIMEOUT, stream.read_to_end(&mut rest)).await.is_ok());
}

#[tokio::test]
async fn an_attempt_has_a_limited_number_of_tunnels() {
    let echo = Echo::start().await;
    let world = echo.world(&[]).await;
    let target = format!("{HOST}:{}", echo.port);
    let mut open = Vec::new();
    for _ in 0..64 {
        let (head, stream) = world.connect(&target, Some(AGENT)).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        open.push(stream);
    }
    assert_eq!(world.refused_target(&target).await.0, 429);
    open.pop();
    let reopened = wait_until("a free tunnel", TIMEOUT, async || {
        let (head, stream) = world.connect(&target, Some(AGENT)).await;
        if head.starts_with("HTTP/1.1 200") {
            Ok(stream)
        } else {
            Err(head)
        }
    });
    assert!(answers(&mut reopened.await.unwrap()).await);
}
