//! Asks a program whether it is well, as its container's health check does.

use std::io;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(5);
const MOST_BYTES: u64 = 64 * 1024;

/// Asks `GET path` of whatever `connecting` connects to. HTTP by hand: it is one line, and no client is linked for it.
///
/// # Errors
/// There is no answer within five seconds, or it is another than 200; then with what it says.
pub async fn ask<Stream: AsyncRead + AsyncWrite + Unpin>(
    path: &str,
    connecting: impl Future<Output = io::Result<Stream>>,
) -> anyhow::Result<()> {
    let ask = async {
        let mut stream = connecting.await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MOST_BYTES).read_to_end(&mut answer).await?;
        anyhow::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = timeout(PATIENCE, ask).await.context("waiting for the answer")??;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split_ascii_whitespace().nth(1) != Some("200") {
        bail!("not healthy: {}", body.trim());
    }
    Ok(())
}
