//! Waiting for a condition instead of sleeping.

use std::fmt::Display;
use std::time::Duration;

use anyhow::anyhow;
use tokio::time::{Instant, sleep, timeout_at};

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Looks every 20 ms until `look` answers `Ok`, and gives back what it saw.
///
/// The question is asked of the present state each time ("is it there?"), so an event that came early is not missed.
///
/// # Errors
/// After `patience`, with `what` was awaited and the last status that `look` told of.
pub async fn wait_until<T, Status: Display>(
    what: &str,
    patience: Duration,
    mut look: impl AsyncFnMut() -> Result<T, Status>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + patience;
    let mut last_status = "never answered".to_owned();
    loop {
        match timeout_at(deadline, look()).await {
            Ok(Ok(seen)) => return Ok(seen),
            Ok(Err(status)) => last_status = status.to_string(),
            Err(_elapsed) => return Err(anyhow!("gave up on {what} after {patience:?}: {last_status}")),
        }
        if Instant::now() >= deadline {
            return Err(anyhow!("gave up on {what} after {patience:?}: {last_status}"));
        }
        sleep(POLL_INTERVAL).await;
    }
}
