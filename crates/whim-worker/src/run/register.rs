//! Registration at the orchestrator.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep};
use uuid::Uuid;
use whim_client::{ClientError, WorkerClient};
use whim_core::protocol::worker;
use whim_service::backoff::{self, BackoffBuilder as _, ExponentialBuilder};
use whim_service::chain::chain;

/// Less than the orchestrator's default `REGISTER_TIMEOUT_SECONDS`, after which it terminates the worker.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(100);

const REGISTER_BACKOFF: ExponentialBuilder =
    backoff::exponential(Duration::from_millis(500), MAX_REGISTER_DELAY);
const MAX_REGISTER_DELAY: Duration = Duration::from_secs(2);

/// Returns `None` if the orchestrator does not accept this worker.
pub(super) async fn register(client: &WorkerClient) -> anyhow::Result<Option<worker::Registered>> {
    let nonce = Uuid::new_v4().to_string();
    let deadline = Instant::now() + REGISTER_TIMEOUT;
    let mut delays = REGISTER_BACKOFF.build();
    loop {
        match client.register(&nonce).await {
            Ok(registered) => return Ok(Some(registered)),
            Err(
                error @ ClientError::Refused {
                    status: 401 | 403 | 404 | 409,
                    ..
                },
            ) => {
                tracing::warn!(error = %chain(&error), "the orchestrator does not accept this worker");
                return Ok(None);
            }
            Err(error) if error.code().is_some() && !error.is_temporary() => {
                return Err(error).context("registering");
            }
            Err(error) if Instant::now() >= deadline => return Err(error).context("registering"),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the orchestrator is unavailable; retrying to register");
                sleep(delays.next().unwrap_or(MAX_REGISTER_DELAY)).await;
            }
        }
    }
}
