//! The health check of a container.

use std::io;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: u64 = 64 * 1024;

/// Requests `GET path` over the connection that `connecting` opens. One line of HTTP needs no client library.
///
/// # Errors
/// There is no response within five seconds, or its status is not 200; then with its body.
pub async fn ask<Stream: AsyncRead + AsyncWrite + Unpin>(
    path: &str,
    connecting: impl Future<Output = io::Result<Stream>>,
) -> anyhow::Result<()> {
    let ask = async {
        let mut stream = connecting.await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MAX_BYTES).read_to_end(&mut answer).await?;
        anyhow::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = timeout(TIMEOUT, ask)
        .await
        .context("waiting for the response")??;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split_ascii_whitespace().nth(1) != Some("200") {
        bail!("not healthy: {}", body.trim());
    }
    Ok(())
}
