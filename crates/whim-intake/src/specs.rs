//! Writes the specs of items that are `generating`, its own and others', several at a time.

mod hand_in;
mod prompt;
mod write;

use std::collections::{HashSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use whim_client::{Client, ClientError};
use whim_core::protocol::queue::ReasonCode;
use whim_core::protocol::work::WorkFilter;
use whim_core::{WorkItemId, WorkItemStatus};
use whim_service::chain::chain;

use crate::anthropic::Anthropic;
use crate::config::SpecConfig;

const PAGE: u32 = 200;

/// Writes specs until it is told to stop.
pub(crate) struct SpecWriter {
    client: Client,
    model: Arc<Anthropic>,
    concurrency: NonZeroUsize,
    period: Duration,
    wake: Arc<Notify>,
}

/// What became of the attempt to give an item its spec.
enum Looked {
    /// Whatever could be done for it was done.
    Attended,
    /// The model API is spared: neither this item's spec nor another's is asked for now.
    Spared,
}

/// What there is to write.
#[derive(Default)]
struct Work {
    /// In the order in which they are begun.
    waiting: VecDeque<WorkItemId>,
    writing: JoinSet<(WorkItemId, Looked)>,
    /// What is being written, and what is not to be begun again.
    begun: HashSet<WorkItemId>,
    /// Whether the log says already that the orchestrator cannot be asked.
    told_away: bool,
}

impl SpecWriter {
    /// Looks for items as often as `config` says, and when `wake` says that there may be some.
    ///
    /// # Errors
    /// No client for the model API can be made from `config`.
    pub(crate) fn new(client: Client, config: &SpecConfig, wake: Arc<Notify>) -> anyhow::Result<Self> {
        Ok(Self {
            client,
            model: Arc::new(Anthropic::new(config)?),
            concurrency: config.concurrency,
            period: config.period,
            wake,
        })
    }

    /// Writes a spec for every item that needs one; a slow one holds up no other. Specs in the making are given up when
    /// `stop` comes: their items are still `generating`, and the next start begins them anew.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(self.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut work = Work::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(done) = work.writing.join_next() => work.finish(done),
                _ = ticks.tick() => self.look(&mut work, &stop).await,
                () = self.wake.notified() => self.look(&mut work, &stop).await,
            }
            while work.writing.len() < self.concurrency.get()
                && let Some(id) = work.waiting.pop_front()
            {
                work.begun.insert(id);
                let (client, model) = (self.client.clone(), Arc::clone(&self.model));
                work.writing.spawn(specify(client, model, id));
            }
        }
    }

    async fn look(&self, work: &mut Work, stop: &CancellationToken) {
        match stop.run_until_cancelled(self.due()).await {
            Some(Ok(due)) => {
                if work.told_away {
                    tracing::info!("the orchestrator answers again");
                    work.told_away = false;
                }
                work.waiting = due.into_iter().filter(|id| !work.begun.contains(id)).collect();
            }
            Some(Err(error)) if !work.told_away => {
                tracing::warn!(error = %chain(&error), "cannot ask the orchestrator for items without a spec; looking again and again");
                work.told_away = true;
            }
            Some(Err(_)) | None => {}
        }
    }

    /// The items that wait for a spec now: the most urgent first, and of those the oldest.
    async fn due(&self) -> Result<Vec<WorkItemId>, ClientError> {
        let mut due = Vec::new();
        let mut filter = WorkFilter {
            status: Some(WorkItemStatus::Generating),
            limit: Some(PAGE),
            ..WorkFilter::default()
        };
        loop {
            let page = self.client.list_work(&filter).await?;
            // The orchestrator takes the time away when it has come: our clock may differ from its own.
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

impl Work {
    fn finish(&mut self, done: Result<(WorkItemId, Looked), JoinError>) {
        match done {
            Ok((id, looked)) => {
                self.begun.remove(&id);
                if matches!(looked, Looked::Spared) {
                    // The next look asks anew.
                    self.waiting.clear();
                }
            }
            // Its item stays among those that were begun: written anew, it would panic again, at a price.
            Err(error) => {
                tracing::error!(%error, "writing a spec panicked; it is left alone until the next start")
            }
        }
    }
}

/// Writes one item's spec and hands it in, or says why there is none.
async fn specify(client: Client, model: Arc<Anthropic>, id: WorkItemId) -> (WorkItemId, Looked) {
    match look_and_write(&client, &model, id).await {
        Ok(looked) => (id, looked),
        Err(error) => {
            tracing::warn!(work_item = %id, error = %chain(&error), "cannot read an item without a spec; it is looked at again later");
            (id, Looked::Attended)
        }
    }
}

async fn look_and_write(client: &Client, model: &Anthropic, id: WorkItemId) -> Result<Looked, ClientError> {
    // It may have waited for long: look again, with the wide texts this time.
    let item = client.get_work(id).await?;
    if item.status != WorkItemStatus::Generating {
        return Ok(Looked::Attended);
    }
    // The orchestrator knows what workers met, and lets one item's spec try when the time has come.
    let told = client.explain_work(id).await?;
    if told.reason_code != ReasonCode::SpecMissing {
        tracing::debug!(work_item = %id, why = told.explanation, "no spec is asked for");
        return Ok(if told.reason_code == ReasonCode::ModelUnavailable {
            Looked::Spared
        } else {
            Looked::Attended
        });
    }
    tracing::info!(work_item = %id, repo = %item.repo, "writing a spec");
    let written = write::spec(model, &item).await;
    match hand_in::hand_in(client, (id, item.run), written).await {
        Ok(Some(item)) => {
            tracing::info!(work_item = %id, status = %item.status, tasks = item.tasks_total, "the outcome of a spec is handed in");
        }
        Ok(None) => {
            tracing::info!(work_item = %id, "the item needs no spec any more");
        }
        Err(error) => {
            tracing::warn!(work_item = %id, error = %chain(&error), "the outcome of a spec could not be handed in; it is written anew later");
        }
    }
    Ok(Looked::Attended)
}
