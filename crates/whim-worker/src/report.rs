//! Reports to the orchestrator: heartbeats with batches of events, and one final report.
//!
//! The [`Reporter`] only writes into a buffer and never waits. The [`Sender`] makes all calls: it renews the lease, retries
//! unanswered requests, and detects that the lease was lost. It sends one request at a time, so that no late heartbeat
//! follows the final report.

mod event;
mod lease;
mod outbox;
mod sender;

use std::sync::Arc;
use std::time::Duration;

use ralph_contract::{IterationStats, SpecDocument};
use serde_json::{Map, Value};
use tokio::sync::watch;
use whim_client::WorkerClient;
use whim_core::protocol::checks::TestReport;
use whim_core::protocol::events::WorkerEventBody;
use whim_core::protocol::worker::Registered;
use whim_core::redact::Redactor;
use whim_core::{CommitHash, IssueNumber, Stage};

pub use self::lease::Lease;
use self::outbox::{Checkpoint, Outbox};
pub use self::sender::{Fenced, Sender, Unreported};
use crate::config::Reporting;
use crate::outcome::Totals;

/// Buffers events. Clones share the buffer.
#[derive(Clone, Debug)]
pub struct Reporter {
    outbox: watch::Sender<Outbox>,
    lease: watch::Receiver<Lease>,
    redactor: Arc<Redactor>,
    repair: Option<Repair>,
}

/// The agent repairs what it did before.
#[derive(Clone, Debug)]
struct Repair {
    /// Complete, and reported with pushed heads instead of the checklist of the repair.
    spec: SpecDocument,
    /// Iterations of the attempt before this run of `ralph`, which counts from 1.
    earlier_iterations: u32,
}

/// For a worker that has just registered. `requested_at` is the time before `register` was sent, which is when the lease
/// started at the earliest.
pub fn open(
    client: WorkerClient,
    registered: &Registered,
    requested_at: tokio::time::Instant,
    reporting: Reporting,
    redactor: Arc<Redactor>,
) -> (Reporter, Sender) {
    let outbox = watch::Sender::new(Outbox::default());
    let lease = watch::Sender::new(Lease::renewed(requested_at, registered.lease_seconds));
    let reporter = Reporter {
        outbox: outbox.clone(),
        lease: lease.subscribe(),
        redactor: Arc::clone(&redactor),
        repair: None,
    };
    (reporter, Sender::new(client, outbox, lease, reporting, redactor))
}

impl Reporter {
    /// For a run of the agent that repairs the work on a complete `spec`.
    #[must_use]
    pub fn for_repair(&self, spec: SpecDocument) -> Self {
        let earlier_iterations = self.totals().iterations;
        Self {
            repair: Some(Repair {
                spec,
                earlier_iterations,
            }),
            ..self.clone()
        }
    }

    fn earlier_iterations(&self) -> u32 {
        self.repair.as_ref().map_or(0, |repair| repair.earlier_iterations)
    }

    pub fn stage(&self, stage: Stage) {
        tracing::info!(stage = stage.as_str(), "stage: {}", stage.as_str());
        self.outbox.send_modify(|outbox| {
            outbox.stage = Some(stage);
            outbox.push(WorkerEventBody::Stage { stage });
        });
    }

    /// An event of `ralph`, with secrets masked and long texts truncated.
    pub fn ralph_event(&self, mut event: Map<String, Value>) {
        let earlier = u64::from(self.earlier_iterations());
        let is_numbered = event
            .get("event")
            .and_then(Value::as_str)
            .is_some_and(|name| matches!(name, "iteration" | "iteration_done"));
        if is_numbered && let Some(n) = event.get_mut("n") {
            *n = n.as_u64().unwrap_or_default().saturating_add(earlier).into();
        }
        let mut event = Value::Object(event);
        self.redactor.redact_json(&mut event);
        self.push(WorkerEventBody::Ralph {
            event: event::bounded(event),
        });
    }

    /// The agent started the iteration `number` of this run of `ralph`.
    pub fn iteration(&self, number: u32) {
        let number = number.saturating_add(self.earlier_iterations());
        self.outbox.send_modify(|outbox| {
            outbox.totals.iterations = outbox.totals.iterations.max(number);
        });
    }

    pub fn iteration_done(&self, stats: IterationStats) {
        self.outbox.send_modify(|outbox| outbox.totals.stats += stats);
    }

    /// The remote branch is at `head`, which contains the work of the ticked tasks of `spec`. `is_new`: it was just pushed.
    pub fn checkpoint(&self, head: &CommitHash, spec: &SpecDocument, is_new: bool) {
        let spec = self.repair.as_ref().map_or(spec, |repair| &repair.spec);
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

    /// The project's checks are running. Counts as progress at the orchestrator.
    pub fn tests_running(&self, command: &str, elapsed: Duration) {
        self.push(WorkerEventBody::TestsRunning {
            command: self.redactor.redact(command),
            elapsed_seconds: elapsed.as_secs(),
        });
    }

    /// The project's checks finished.
    pub fn tests(&self, report: &TestReport) {
        self.push(WorkerEventBody::Tests {
            report: report.clone(),
        });
    }

    pub fn pull_request(&self, url: &str, number: IssueNumber) {
        self.push(WorkerEventBody::PullRequest {
            url: url.to_owned(),
            number,
        });
    }

    /// A message for people.
    pub fn notice(&self, message: &str) {
        let message = crate::text::shorten(&self.redactor.redact(message), event::MAX_TEXT_CHARACTERS);
        tracing::info!("{message}");
        self.push(WorkerEventBody::Notice { message });
    }

    /// Masks secrets, for the log.
    pub fn redact(&self, text: &str) -> String {
        self.redactor.redact(text)
    }

    pub fn totals(&self) -> Totals {
        self.outbox.borrow().totals
    }

    /// Whether the lease has not expired. Checked before every externally visible action, because a worker that was
    /// suspended has not yet noticed the expiry.
    pub fn holds_lease(&self) -> bool {
        self.lease.borrow().is_held()
    }

    fn push(&self, event: WorkerEventBody) {
        self.outbox.send_modify(|outbox| outbox.push(event));
    }
}
