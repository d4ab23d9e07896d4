//! Waiting for a condition instead of sleeping.

use std::fmt::Display;
use std::time::Duration;

use anyhow::anyhow;
use tokio::time::{Instant, sleep, timeout_at};

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Polls every 20 ms until `poll` returns `Ok`, and returns its value.
///
/// `poll` checks the present state, so that an early event is not missed.
///
/// # Errors
/// After `timeout`, with `what` was awaited and the last status of `poll`.
pub async fn wait_until<T, Status: Display>(
    what: &str,
    timeout: Duration,
    mut poll: impl AsyncFnMut() -> Result<T, Status>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + timeout;
    let mut last_status = "none".to_owned();
    loop {
        match timeout_at(deadline, poll()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(status)) => last_status = status.to_string(),
            Err(_elapsed) => return Err(anyhow!("gave up on {what} after {timeout:?}: {last_status}")),
        }
        if Instant::now() >= deadline {
            return Err(anyhow!("gave up on {what} after {timeout:?}: {last_status}"));
        }
        sleep(POLL_INTERVAL).await;
    }
}
