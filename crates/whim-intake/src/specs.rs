//! Writes the specs of items that are `generating`, its own and others', several at a time.

mod prompt;
mod write;

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use whim_client::{Client, ClientError};
use whim_core::protocol::ErrorCode;
use whim_core::protocol::work::{FailSpec, PutSpec, WorkFilter, WorkItem};
use whim_core::{WorkItemId, WorkItemStatus};
use whim_service::chain::chain;

use crate::anthropic::Anthropic;

/// Items that others submitted wait no longer than this for their spec to be begun.
const LONGEST_PERIOD: Duration = Duration::from_secs(5);
const PAGE: u32 = 200;

/// Writes specs until it is told to stop.
pub(crate) struct SpecWriter {
    client: Client,
    model: Arc<Anthropic>,
    period: Duration,
    permits: Arc<Semaphore>,
    wake: Arc<Notify>,
}

impl SpecWriter {
    /// Looks for items every `period` at the latest, and when `wake` says that there may be some.
    pub(crate) fn new(
        client: Client,
        model: Anthropic,
        concurrency: NonZeroUsize,
        period: Duration,
        wake: Arc<Notify>,
    ) -> Self {
        Self {
            client,
            model: Arc::new(model),
            period: period.min(LONGEST_PERIOD),
            permits: Arc::new(Semaphore::new(concurrency.get())),
            wake,
        }
    }

    /// Begins a spec for every item that needs one; a slow one holds up no other. Specs in the making are given up when
    /// `stop` comes: their items are still `generating`, and the next start begins them anew.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(self.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut in_flight: HashSet<WorkItemId> = HashSet::new();
        let mut writing: JoinSet<WorkItemId> = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(done) = writing.join_next() => {
                    match done {
                        Ok(id) => { in_flight.remove(&id); }
                        // Which item it was is lost with the panic: look at all of them again.
                        Err(error) => {
                            tracing::error!(%error, "writing a spec panicked");
                            writing.abort_all();
                            while writing.join_next().await.is_some() {}
                            in_flight.clear();
                        }
                    }
                    continue;
                }
                _ = ticks.tick() => {}
                () = self.wake.notified() => {}
            }
            match self.due().await {
                Ok(items) => {
                    for item in items {
                        if in_flight.insert(item.id) {
                            self.begin(&mut writing, item.id);
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "cannot ask the orchestrator for items without a spec")
                }
            }
        }
    }

    fn begin(&self, writing: &mut JoinSet<WorkItemId>, id: WorkItemId) {
        let (client, model, permits) = (
            self.client.clone(),
            Arc::clone(&self.model),
            Arc::clone(&self.permits),
        );
        writing.spawn(async move {
            // The semaphore is never closed.
            let _permit = permits.acquire_owned().await;
            if let Err(error) = specify(&client, &model, id).await {
                tracing::warn!(work_item = %id, error = %chain(&error), "a spec could not be handed in; it is written anew later");
            }
            id
        });
    }

    /// The items that wait for a spec now, the oldest first.
    async fn due(&self) -> Result<Vec<WorkItem>, ClientError> {
        let mut due = Vec::new();
        let mut filter = WorkFilter {
            status: Some(WorkItemStatus::Generating),
            limit: Some(PAGE),
            ..WorkFilter::default()
        };
        loop {
            let page = self.client.list_work(&filter).await?;
            due.extend(
                page.items
                    .into_iter()
                    .filter(|item| item.next_retry_at.is_none_or(|at| at <= Utc::now())),
            );
            match page.next_cursor {
                Some(cursor) => filter.cursor = Some(cursor),
                None => break,
            }
        }
        due.reverse();
        Ok(due)
    }
}

/// Writes one item's spec and hands it in, or says why there is none.
async fn specify(client: &Client, model: &Anthropic, id: WorkItemId) -> Result<(), ClientError> {
    // It may have waited for a permit: look again, with the wide texts this time.
    let item = client.get_work(id).await?;
    if item.status != WorkItemStatus::Generating {
        return Ok(());
    }
    tracing::info!(work_item = %id, repo = %item.repo, "writing a spec");
    let handed_in = match write::spec(model, &item).await {
        Ok(spec) => client.put_spec(id, &PutSpec { spec }).await,
        Err(failure) => {
            tracing::warn!(work_item = %id, retryable = failure.retryable, reason = failure.reason, "no spec could be written");
            client
                .fail_spec(
                    id,
                    &FailSpec {
                        reason: failure.reason,
                        retryable: failure.retryable,
                    },
                )
                .await
        }
    };
    match handed_in {
        Ok(item) => {
            tracing::info!(work_item = %id, status = %item.status, tasks = item.tasks_total, "the item has left the writing of its spec");
            Ok(())
        }
        // Cancelled meanwhile, or handed in by another intake.
        Err(error) if error.code() == Some(ErrorCode::WrongState) => Ok(()),
        Err(error) => Err(error),
    }
}
