//! Reports limits of the model API to the orchestrator, so that its circuit breakers know them before an attempt ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use whim_client::GatewayClient;
use whim_core::WorkerId;
use whim_core::protocol::gateway::{self, ReportModelLimit};
use whim_service::chain::chain;

use super::limit::{ModelLimit, Reported};

/// Clients repeat requests before shorter ones end.
const MIN_RESET: Duration = Duration::from_mins(1);
/// A limit is not reported again for this long.
const INTERVAL: Duration = Duration::from_secs(30);
const MAX_MESSAGE_CHARACTERS: usize = 500;

#[derive(Debug)]
pub(super) struct LimitReporter {
    orchestrator: GatewayClient,
    latest: Mutex<HashMap<gateway::ModelLimit, Instant>>,
}

impl LimitReporter {
    pub(super) fn new(orchestrator: GatewayClient) -> Arc<Self> {
        Arc::new(Self {
            orchestrator,
            latest: Mutex::default(),
        })
    }

    /// Reports in the background what concerns every agent. The response to the agent does not wait for it.
    pub(super) fn report(self: &Arc<Self>, worker_id: WorkerId, reported: &Reported) {
        let Some(limit) = of_account(reported) else {
            return;
        };
        if !self.is_due(limit) {
            return;
        }
        let message: String = reported.message.chars().take(MAX_MESSAGE_CHARACTERS).collect();
        let message = if message.trim().is_empty() {
            format!("the model API answered {}", reported.status)
        } else {
            message.replace('\0', "")
        };
        let request = ReportModelLimit {
            worker_id,
            limit,
            message,
            retry_after_seconds: reported.reset.map(|reset| reset.as_secs()),
        };
        let reporter = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = reporter.orchestrator.report_model_limit(&request).await {
                tracing::warn!(%worker_id, error = %chain(&error), "a limit of the model API could not be reported");
                reporter.forget(limit);
            }
        });
    }

    fn is_due(&self, limit: gateway::ModelLimit) -> bool {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = latest.get(&limit).is_none_or(|latest| latest.elapsed() >= INTERVAL);
        if is_due {
            latest.insert(limit, Instant::now());
        }
        is_due
    }

    fn forget(&self, limit: gateway::ModelLimit) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.remove(&limit);
    }
}

/// What an agent cannot cause by the content of its requests.
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
