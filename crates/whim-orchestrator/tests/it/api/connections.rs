//! Idle connections, and servers that never answer.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::app::{PATIENCE, Services, TestApp};
use crate::workers::orchestrator_program;

/// What the server sends until it closes the connection.
async fn until_closed(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    // A reset counts as closed: the server did not read everything.
    let _closed = read.unwrap();
    String::from_utf8(said).unwrap()
}

#[tokio::test]
async fn a_connection_without_a_complete_head_in_time_is_closed_and_others_are_served() {
    let app = TestApp::with(&[("HTTP_HEADER_TIMEOUT_SECONDS", "0.5")]).await;
    for (url, answer) in [
        (&app.addresses.api, "HTTP/1.1 404 "),
        (&app.addresses.worker_api, "HTTP/1.1 426 "),
    ] {
        let address = url.socket_addrs(|| None).unwrap()[0];
        let silent = TcpStream::connect(address).await.unwrap();
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Filler:")
            .await
            .unwrap();
        let mut used = TcpStream::connect(address).await.unwrap();
        used.write_all(b"GET /unknown HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();

        let (silent, slow, used) = tokio::join!(until_closed(silent), until_closed(slow), until_closed(used));

        assert_eq!((silent.as_str(), slow.as_str()), ("", ""));
        assert!(used.starts_with(answer), "{used}");
    }
    let (status, _) = app.get("/health").await;
    assert_eq!(status, 200);
    app.stop().await;
}

#[tokio::test]
async fn a_stream_outlives_the_header_timeout_and_ends_with_the_program() {
    let app = TestApp::with(&[("HTTP_HEADER_TIMEOUT_SECONDS", "0.2")]).await;
    let mut stream = app.api(reqwest::Method::GET, "/api/events").send().await.unwrap();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(1) {
        app.submit().await;
        let chunk = tokio::time::timeout(PATIENCE, stream.chunk()).await.unwrap();
        assert!(chunk.unwrap().is_some(), "the response continues");
    }
    app.stop().await;
    let end = tokio::time::timeout(PATIENCE, async {
        while let Ok(Some(_)) = stream.chunk().await {}
    });
    end.await.unwrap();
}

#[tokio::test]
async fn a_postgres_that_accepts_connections_and_never_answers_is_reported_after_a_timeout() {
    let services = Services::new().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://whim@{}/whim", silent.local_addr().unwrap());
    let workspaces = tempfile::tempdir().unwrap();
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("WORKER_RUNTIME", "process"),
        ("WORKSPACES_DIR", workspaces.path().to_str().unwrap()),
    ];
    for command in ["migrate", "serve"] {
        let program = Command::new(orchestrator_program())
            .arg(command)
            .env_clear()
            .envs(services.environment(&settings))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let begin = Instant::now();

        let output = tokio::time::timeout(PATIENCE, program).await.unwrap().unwrap();

        let took = begin.elapsed();
        let (log, stderr) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(!output.status.success());
        assert!(
            stderr.contains("connecting to DATABASE_URL: no response within 3 s"),
            "{stderr}"
        );
        assert!(
            stderr.contains("check the host and port of DATABASE_URL"),
            "{stderr}"
        );
        assert!(
            [&log, &stderr]
                .iter()
                .any(|text| text.contains("Postgres does not respond yet")),
            "{log} {stderr}"
        );
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
}
