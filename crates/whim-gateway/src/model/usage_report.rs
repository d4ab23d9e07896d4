//! Reports to the orchestrator what requests of agents used.

use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use whim_client::GatewayClient;
use whim_core::protocol::costs::{MAX_REPORTED_REQUESTS, ModelRequest, ReportModelUsage};
use whim_service::chain::chain;

/// Requests that wait while the orchestrator cannot be reached: hours of a busy system.
const QUEUE: usize = 100_000;
/// Between two attempts to send a report.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// For what is left when the gateway stops.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(3500);

/// Takes requests without waiting.
#[derive(Clone, Debug)]
pub(crate) struct UsageReports {
    queue: Sender<ModelRequest>,
}

/// Sends them.
#[derive(Debug)]
pub(crate) struct UsageReporter {
    orchestrator: GatewayClient,
    queue: Receiver<ModelRequest>,
}

pub(crate) fn usage_reporter(orchestrator: GatewayClient) -> (UsageReports, UsageReporter) {
    let (sender, receiver) = channel(QUEUE);
    let reporter = UsageReporter {
        orchestrator,
        queue: receiver,
    };
    (UsageReports { queue: sender }, reporter)
}

impl UsageReports {
    pub(super) fn add(&self, request: ModelRequest) {
        if let Err(error) = self.queue.try_send(request) {
            let worker_id = error.into_inner().worker_id;
            tracing::error!(%worker_id, "the usage of a request is lost, because too many reports wait for the orchestrator");
        }
    }
}

impl UsageReporter {
    /// Runs until `stop`, and then sends what is queued.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut batch = Vec::new();
        while stop.run_until_cancelled(self.fill(&mut batch)).await.is_some() {
            if stop.run_until_cancelled(self.deliver(&mut batch)).await.is_none() {
                break;
            }
        }
        // Until the last response has ended, which closes the queue.
        let flushed = timeout(FLUSH_TIMEOUT, async {
            loop {
                self.deliver(&mut batch).await;
                if self.queue.recv_many(&mut batch, MAX_REPORTED_REQUESTS).await == 0 {
                    break;
                }
            }
        });
        let requests = match flushed.await {
            Ok(()) => 0,
            Err(_elapsed) => batch.len() + self.queue.len(),
        };
        if requests > 0 {
            tracing::error!(
                requests,
                "the usage of requests is lost, because the orchestrator cannot be reached"
            );
        }
        Ok(())
    }

    async fn fill(&mut self, batch: &mut Vec<ModelRequest>) {
        if batch.is_empty() {
            self.queue.recv_many(batch, MAX_REPORTED_REQUESTS).await;
        }
    }

    /// Sends the batch until it was received. One that is sent twice counts once.
    async fn deliver(&self, batch: &mut Vec<ModelRequest>) {
        while !batch.is_empty() {
            let report = ReportModelUsage {
                requests: batch.clone(),
            };
            match self.orchestrator.report_model_usage(&report).await {
                Ok(_) => batch.clear(),
                // No repetition would be accepted. Everything else passes, such as an orchestrator that restarts.
                Err(error) if matches!(error.status(), Some(400 | 413 | 415)) => {
                    tracing::error!(requests = batch.len(), error = %chain(&error), "the orchestrator refused the usage of requests");
                    batch.clear();
                }
                Err(error) => {
                    tracing::warn!(requests = batch.len(), error = %chain(&error), "the usage of requests could not be reported yet");
                    sleep(RETRY_DELAY).await;
                }
            }
        }
    }
}
