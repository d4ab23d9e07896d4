//! What the worker tells the orchestrator: events and heartbeats in batches, and one last report.
//!
//! The [`Reporter`] only writes into a buffer and never waits. The [`Sender`] is the one place that calls: it keeps the
//! lease, repeats what was not answered, and knows when the item was taken away. ReasonCode it sends one thing after the
//! other, a late heartbeat never follows the last report.

mod event;
mod lease;
mod outbox;
mod sender;

use std::sync::Arc;

use ralph_contract::{IterationStats, SpecDocument};
use serde_json::{Map, Value};
use tokio::sync::watch;
use whim_client::WorkerClient;
use whim_core::protocol::events::WorkerEventBody;
use whim_core::protocol::worker::{Registered, TestReport};
use whim_core::redact::Redactor;
use whim_core::{CommitHash, IssueNumber, Stage};

pub use self::lease::Lease;
use self::outbox::{Checkpoint, Outbox};
pub use self::sender::{Fenced, Sender, Unreported};
use crate::config::Reporting;

/// What was used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// The iterations that were begun.
    pub iterations: u32,
    /// The sums over the iterations that are done.
    pub stats: IterationStats,
}

/// Takes note of what happens. Clones write into the same buffer.
#[derive(Clone, Debug)]
pub struct Reporter {
    outbox: watch::Sender<Outbox>,
    lease: watch::Receiver<Lease>,
    redactor: Arc<Redactor>,
}

/// The two ends of the reporting of a worker that has just registered. `asked_at` is the moment before `register` was
/// sent: the lease began no earlier.
pub fn open(
    client: WorkerClient,
    registered: &Registered,
    asked_at: tokio::time::Instant,
    reporting: Reporting,
    redactor: Arc<Redactor>,
) -> (Reporter, Sender) {
    let outbox = watch::Sender::new(Outbox::default());
    let lease = watch::Sender::new(Lease::renewed(asked_at, registered.lease_seconds));
    let reporter = Reporter {
        outbox: outbox.clone(),
        lease: lease.subscribe(),
        redactor: Arc::clone(&redactor),
    };
    (reporter, Sender::new(client, outbox, lease, reporting, redactor))
}

impl Reporter {
    /// The worker goes on to another stage.
    pub fn stage(&self, stage: Stage) {
        tracing::info!(stage = stage.as_str(), "stage: {}", stage.as_str());
        self.outbox.send_modify(|outbox| {
            outbox.stage = Some(stage);
            outbox.push(WorkerEventBody::Stage { stage });
        });
    }

    /// An event that `ralph` printed.
    pub fn ralph_event(&self, event: Map<String, Value>) {
        let mut event = Value::Object(event);
        self.redactor.redact_json(&mut event);
        self.push(WorkerEventBody::Ralph {
            event: event::bounded(event),
        });
    }

    /// The agent began an iteration.
    pub fn iteration(&self, number: u32) {
        self.outbox.send_modify(|outbox| {
            outbox.totals.iterations = outbox.totals.iterations.max(number);
        });
    }

    /// The agent ended an iteration.
    pub fn iteration_done(&self, stats: IterationStats) {
        self.outbox.send_modify(|outbox| outbox.totals.stats += stats);
    }

    /// The remote branch is at `head`, and the ticks of `spec` belong to it. With `is_new` it was pushed just now.
    pub fn checkpoint(&self, head: &CommitHash, spec: &SpecDocument, is_new: bool) {
        self.outbox.send_modify(|outbox| {
            outbox.checkpoint = Some(Checkpoint {
                head: head.clone(),
                spec: spec.as_str().to_owned(),
            });
            if is_new {
                outbox.push(WorkerEventBody::Pushed {
                    head_sha: head.clone(),
                });
            }
        });
    }

    /// The project's own tests ran.
    pub fn tests(&self, report: &TestReport) {
        self.push(WorkerEventBody::Tests {
            report: report.clone(),
        });
    }

    /// The pull request is open.
    pub fn pull_request(&self, url: &str, number: IssueNumber) {
        self.push(WorkerEventBody::PullRequest {
            url: url.to_owned(),
            number,
        });
    }

    /// Something that a person may want to know.
    pub fn notice(&self, message: &str) {
        let message = crate::text::shorten(&self.redactor.redact(message), event::MAX_TEXT_CHARACTERS);
        tracing::info!("{message}");
        self.push(WorkerEventBody::Notice { message });
    }

    /// The text without secrets, for the log.
    pub fn redact(&self, text: &str) -> String {
        self.redactor.redact(text)
    }

    /// What was used so far.
    pub fn totals(&self) -> Totals {
        self.outbox.borrow().totals
    }

    /// Whether the item is still this worker's, as far as is known. Asked before anything that others can see: a worker
    /// that was paused learns of the end of its lease only afterwards.
    pub fn holds_lease(&self) -> bool {
        self.lease.borrow().is_held()
    }

    fn push(&self, event: WorkerEventBody) {
        self.outbox.send_modify(|outbox| outbox.push(event));
    }
}
