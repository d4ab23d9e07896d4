//! Writes the specs of items that are `generating`, of all sources, several at a time.

mod generate;
mod prompt;
mod submit_spec;

use std::collections::{HashSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use whim_client::{Client, ClientError};
use whim_core::protocol::explain::ReasonCode;
use whim_core::protocol::work::WorkFilter;
use whim_core::{WorkItemId, WorkItemStatus};
use whim_service::chain::chain;

use crate::anthropic::Anthropic;
use crate::config::SpecConfig;

const PAGE: u32 = 200;

pub(crate) struct SpecWriter {
    client: Client,
    model: Arc<Anthropic>,
    concurrency: NonZeroUsize,
    period: Duration,
    wake: Arc<Notify>,
}

/// The result of an attempt to write a spec.
enum Attempted {
    /// Nothing more can be done for the item now.
    Done,
    /// The circuit breaker of the model API is open: no spec can be written now.
    ModelUnavailable,
}

#[derive(Default)]
struct Jobs {
    /// In the order in which they start.
    waiting: VecDeque<WorkItemId>,
    running: JoinSet<(WorkItemId, Attempted)>,
    /// Running jobs, and those that must not start again.
    started: HashSet<WorkItemId>,
    outage_logged: bool,
}

impl SpecWriter {
    /// Polls for items at the interval of `config`, and when `wake` is notified.
    ///
    /// # Errors
    /// No client for the model API can be built from `config`.
    pub(crate) fn new(client: Client, config: &SpecConfig, wake: Arc<Notify>) -> anyhow::Result<Self> {
        Ok(Self {
            client,
            model: Arc::new(Anthropic::new(config)?),
            concurrency: config.concurrency,
            period: config.period,
            wake,
        })
    }

    /// A slow spec delays no other. Specs in progress are abandoned on `stop`: their items are still `generating`, and the
    /// next start writes them.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(self.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut jobs = Jobs::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(done) = jobs.running.join_next() => jobs.finish(done),
                _ = ticks.tick() => self.poll(&mut jobs, &stop).await,
                () = self.wake.notified() => self.poll(&mut jobs, &stop).await,
            }
            while jobs.running.len() < self.concurrency.get()
                && let Some(id) = jobs.waiting.pop_front()
            {
                jobs.started.insert(id);
                let (client, model) = (self.client.clone(), Arc::clone(&self.model));
                jobs.running.spawn(run_job(client, model, id));
            }
        }
    }

    async fn poll(&self, jobs: &mut Jobs, stop: &CancellationToken) {
        match stop.run_until_cancelled(self.due()).await {
            Some(Ok(due)) => {
                if jobs.outage_logged {
                    tracing::info!("the orchestrator is available again");
                    jobs.outage_logged = false;
                }
                jobs.waiting = due.into_iter().filter(|id| !jobs.started.contains(id)).collect();
            }
            Some(Err(error)) if !jobs.outage_logged => {
                tracing::warn!(error = %chain(&error), "cannot list items without a spec; retrying at every poll");
                jobs.outage_logged = true;
            }
            Some(Err(_)) | None => {}
        }
    }

    /// The items whose spec is due: by priority, then by age.
    async fn due(&self) -> Result<Vec<WorkItemId>, ClientError> {
        let mut due = Vec::new();
        let mut filter = WorkFilter {
            status: Some(WorkItemStatus::Generating),
            limit: Some(PAGE),
            ..WorkFilter::default()
        };
        loop {
            let page = self.client.list_work(&filter).await?;
            // The orchestrator clears the time when it has come; the clock of this machine may differ.
            let ready = page.items.iter().filter(|item| item.next_retry_at.is_none());
            due.extend(ready.map(|item| (item.priority, item.created_at, item.id)));
            match page.next_cursor {
                Some(cursor) => filter.cursor = Some(cursor),
                None => break,
            }
        }
        due.sort_unstable();
        Ok(due.into_iter().map(|(_, _, id)| id).collect())
    }
}

impl Jobs {
    fn finish(&mut self, done: Result<(WorkItemId, Attempted), JoinError>) {
        match done {
            Ok((id, attempted)) => {
                self.started.remove(&id);
                if matches!(attempted, Attempted::ModelUnavailable) {
                    // The next poll lists them again.
                    self.waiting.clear();
                }
            }
            // Its item stays in `started`: another attempt would panic again, and cost money.
            Err(error) => {
                tracing::error!(%error, "writing a spec panicked; the item is skipped until the next start")
            }
        }
    }
}

async fn run_job(client: Client, model: Arc<Anthropic>, id: WorkItemId) -> (WorkItemId, Attempted) {
    match write_spec(&client, &model, id).await {
        Ok(attempted) => (id, attempted),
        Err(error) => {
            tracing::warn!(work_item = %id, error = %chain(&error), "cannot read an item without a spec; a later poll tries again");
            (id, Attempted::Done)
        }
    }
}

/// Writes one item's spec and submits it, or reports why there is none.
async fn write_spec(client: &Client, model: &Anthropic, id: WorkItemId) -> Result<Attempted, ClientError> {
    // Read again: it may have waited for long, and lists have no texts.
    let item = client.get_work(id).await?;
    if item.status != WorkItemStatus::Generating {
        return Ok(Attempted::Done);
    }
    // The breaker of the model API also counts failures of workers; when it is half-open, one item's spec is the probe.
    let explanation = client.explain_work(id).await?;
    if explanation.reason_code != ReasonCode::SpecMissing {
        tracing::debug!(work_item = %id, why = explanation.explanation, "no spec is requested");
        return Ok(if explanation.reason_code == ReasonCode::ModelUnavailable {
            Attempted::ModelUnavailable
        } else {
            Attempted::Done
        });
    }
    tracing::info!(work_item = %id, repo = %item.repo, "writing a spec");
    let written = generate::spec(model, &item).await;
    match submit_spec::submit_spec(client, (id, item.run), written).await {
        Ok(Some(item)) => {
            tracing::info!(work_item = %id, status = %item.status, tasks = item.tasks_total, "submitted the result of a spec");
        }
        Ok(None) => {
            tracing::info!(work_item = %id, "the item no longer needs a spec");
        }
        Err(error) => {
            tracing::warn!(work_item = %id, error = %chain(&error), "cannot submit the result of a spec; a later poll writes the spec again");
        }
    }
    Ok(Attempted::Done)
}
