//! Reports limits of the model API to the orchestrator, so that its circuit breakers know them before an attempt ends.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use whim_client::GatewayClient;
use whim_core::WorkerId;
use whim_core::protocol::gateway::{self, ReportModelLimit};
use whim_service::chain::chain;

use super::limit::{ModelLimit, Reported};

/// Clients repeat requests before shorter ones end.
const MIN_RESET: Duration = Duration::from_mins(1);
/// Attempts that meet a limit within this time meet the same.
const WINDOW: Duration = Duration::from_mins(10);
/// A limit is not reported again for this long.
const INTERVAL: Duration = Duration::from_secs(30);
const MAX_MESSAGE_CHARACTERS: usize = 500;
/// Reports that wait. More say nothing new.
const QUEUE: usize = 16;

/// Takes reports without waiting.
#[derive(Clone, Debug)]
pub(crate) struct LimitReports {
    queue: Sender<ReportModelLimit>,
}

/// Sends them.
#[derive(Debug)]
pub(crate) struct LimitReporter {
    orchestrator: GatewayClient,
    queue: Receiver<ReportModelLimit>,
}

pub(crate) fn limit_reporter(orchestrator: GatewayClient) -> (LimitReports, LimitReporter) {
    let (sender, receiver) = channel(QUEUE);
    let reporter = LimitReporter {
        orchestrator,
        queue: receiver,
    };
    (LimitReports { queue: sender }, reporter)
}

impl LimitReports {
    /// Reports what concerns every agent.
    pub(super) fn add(&self, worker_id: WorkerId, reported: &Reported) {
        let Some(limit) = of_account(reported) else {
            return;
        };
        let message: String = reported.message.chars().take(MAX_MESSAGE_CHARACTERS).collect();
        let message = if message.trim().is_empty() {
            format!("the model API answered {}", reported.status)
        } else {
            message.replace('\0', "")
        };
        let report = ReportModelLimit {
            worker_id,
            limit,
            message,
            retry_after_seconds: reported.reset.map(|reset| reset.as_secs()),
        };
        if self.queue.try_send(report).is_err() {
            tracing::debug!(%worker_id, "a limit was not reported, because others are");
        }
    }
}

impl LimitReporter {
    /// Runs until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut evidence = Evidence::default();
        let mut sent: HashMap<gateway::ModelLimit, Instant> = HashMap::new();
        while let Some(Some(report)) = stop.run_until_cancelled(self.queue.recv()).await {
            let is_known = sent
                .get(&report.limit)
                .is_some_and(|sent| sent.elapsed() < INTERVAL);
            if is_known || !evidence.is_enough(report.limit, report.worker_id, Instant::now()) {
                continue;
            }
            let worker_id = report.worker_id;
            match self.orchestrator.report_model_limit(&report).await {
                Ok(_) => {
                    sent.insert(report.limit, Instant::now());
                }
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(%worker_id, %error, "a limit of the model API could not be reported");
                }
            }
        }
        Ok(())
    }
}

/// Which attempt met a limit last.
#[derive(Debug, Default)]
struct Evidence {
    latest: HashMap<gateway::ModelLimit, (WorkerId, Instant)>,
}

impl Evidence {
    /// Whether others would meet the limit too. An agent chooses its model and the features that it asks for, which may have limits
    /// of their own: except for spent credit, two attempts have to meet it.
    fn is_enough(&mut self, limit: gateway::ModelLimit, worker: WorkerId, now: Instant) -> bool {
        let earlier = self.latest.insert(limit, (worker, now));
        let is_confirmed =
            earlier.is_some_and(|(other, at)| other != worker && now.duration_since(at) < WINDOW);
        is_confirmed || limit == gateway::ModelLimit::Spend
    }
}

/// What may concern every agent.
fn of_account(reported: &Reported) -> Option<gateway::ModelLimit> {
    match reported.limit {
        ModelLimit::Rate if reported.reset.is_some_and(|reset| reset >= MIN_RESET) => {
            Some(gateway::ModelLimit::Rate)
        }
        ModelLimit::Spend => Some(gateway::ModelLimit::Spend),
        ModelLimit::Credential => Some(gateway::ModelLimit::Credential),
        // Other models may be in order, and the clients repeat requests to a busy API.
        ModelLimit::Rate | ModelLimit::Forbidden | ModelLimit::Overloaded | ModelLimit::UnknownModel => None,
    }
}

#[cfg(test)]
mod tests {
    use super::gateway::ModelLimit as Limit;
    use super::*;

    #[test]
    fn one_attempt_alone_is_no_evidence_but_of_spent_credit() {
        let (one, other) = (WorkerId::new(), WorkerId::new());
        let now = Instant::now();
        let mut evidence = Evidence::default();
        for limit in [Limit::Rate, Limit::Credential] {
            assert!(!evidence.is_enough(limit, one, now), "{limit:?}");
            assert!(!evidence.is_enough(limit, one, now), "{limit:?}");
            assert!(evidence.is_enough(limit, other, now), "{limit:?}");
            assert!(!evidence.is_enough(limit, one, now + WINDOW), "{limit:?}");
        }
        assert!(evidence.is_enough(Limit::Spend, one, now));
    }
}
