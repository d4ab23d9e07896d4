//! Reports to the orchestrator: heartbeats with batches of events, and one final report.
//!
//! The [`Reporter`] only writes into buffers and never waits. The [`Sender`] makes the calls that the lease depends on: it
//! renews it, retries unanswered requests, and detects that it was lost. It sends one request at a time, so that no late
//! heartbeat follows the final report. The [`Uploader`] sends the transcript and the diff, on which nothing depends.

mod event;
mod lease;
mod notes;
mod outbox;
mod sender;
mod transcript;

use std::sync::Arc;
use std::time::Duration;

use ralph_contract::{Event, IterationStats, SpecDocument};
use serde_json::{Map, Value};
use tokio::sync::watch;
use whim_client::WorkerClient;
use whim_core::protocol::checks::TestReport;
use whim_core::protocol::diff::ReportDiff;
use whim_core::protocol::events::WorkerEventBody;
use whim_core::protocol::worker::Registered;
use whim_core::redact::Redactor;
use whim_core::{CommitHash, IssueNumber, Stage};

pub use self::lease::Lease;
pub use self::notes::{Notes, NotesFile};
use self::outbox::{Checkpoint, Outbox};
pub use self::sender::{Fenced, Sender, Unreported};
use self::transcript::Recorder;
pub use self::transcript::Uploader;
use crate::config::Reporting;
use crate::outcome::Totals;

/// Buffers events. Clones share the buffer.
#[derive(Clone, Debug)]
pub struct Reporter {
    outbox: watch::Sender<Outbox>,
    lease: watch::Receiver<Lease>,
    transcript: Recorder,
    notes: Notes,
    redactor: Arc<Redactor>,
    /// During a repair, the complete spec: it is reported with pushed heads instead of the checklist of the repair.
    repaired_spec: Option<SpecDocument>,
}

/// Fields of the event `tool` that belong to the transcript. The identifier differs for equal calls, which the orchestrator
/// has to recognise as such.
const CONTENT_FIELDS: [&str; 4] = ["id", "input", "truncated_bytes", "parent_tool_id"];

/// For a worker that has just registered. `requested_at` is the time before `register` was sent, which is when the lease
/// started at the earliest.
pub fn open(
    client: WorkerClient,
    registered: &Registered,
    requested_at: tokio::time::Instant,
    reporting: Reporting,
    redactor: Arc<Redactor>,
) -> (Reporter, Sender, Uploader) {
    let outbox = watch::Sender::new(Outbox::default());
    let lease = watch::Sender::new(Lease::renewed(requested_at, registered.lease_seconds));
    let notes = Notes::new(client.clone(), &registered.work_item.notes);
    let (transcript, uploader) = transcript::open(client.clone(), Arc::clone(&redactor));
    let reporter = Reporter {
        outbox: outbox.clone(),
        lease: lease.subscribe(),
        transcript,
        notes: notes.clone(),
        redactor: Arc::clone(&redactor),
        repaired_spec: None,
    };
    let sender = Sender::new(client, outbox, lease, notes, reporting, redactor);
    (reporter, sender, uploader)
}

impl Reporter {
    /// For a run of the agent that repairs the work on a complete `spec`.
    #[must_use]
    pub fn for_repair(&self, spec: SpecDocument) -> Self {
        Self {
            repaired_spec: Some(spec),
            ..self.clone()
        }
    }

    pub fn stage(&self, stage: Stage) {
        tracing::info!(stage = stage.as_str(), "stage: {}", stage.as_str());
        self.outbox.send_modify(|outbox| {
            outbox.stage = Some(stage);
            outbox.push(WorkerEventBody::Stage { stage });
        });
        self.transcript.stage(stage);
    }

    /// An event of `ralph`, and the JSON object that it is. Contents go to the transcript, everything else to the heartbeats
    /// as well.
    pub fn ralph_event(&self, event: &Event, mut json: Map<String, Value>) {
        self.transcript.event(event);
        if matches!(event, Event::Message(_) | Event::ToolResult(_)) {
            return;
        }
        if matches!(event, Event::Tool(_)) {
            json.retain(|name, _| !CONTENT_FIELDS.contains(&name.as_str()));
        }
        self.unknown_ralph_event(json);
    }

    /// An event of `ralph` of an unknown kind, with secrets masked and long texts truncated.
    pub fn unknown_ralph_event(&self, event: Map<String, Value>) {
        let mut event = Value::Object(event);
        self.redactor.redact_json(&mut event);
        self.push(WorkerEventBody::Ralph {
            event: event::bounded(event),
        });
    }

    /// The agent started the iteration `number` of the attempt.
    pub fn iteration(&self, number: u32) {
        self.outbox.send_modify(|outbox| {
            outbox.totals.iterations = outbox.totals.iterations.max(number);
        });
    }

    /// The prompt of the iteration that starts was made from the first `bytes` of the file of notes.
    pub fn notes_in_prompt(&self, bytes: u64) {
        if let Some(count) = self.notes.delivered(bytes) {
            self.outbox
                .send_modify(|outbox| outbox.notes_delivered = Some(count));
        }
    }

    /// The notes of the people who requested the work.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    pub fn iteration_done(&self, stats: IterationStats) {
        self.outbox.send_modify(|outbox| outbox.totals.stats += stats);
    }

    /// The remote branch is at `head`, which contains the work of the ticked tasks of `spec`. `is_new`: it was just pushed.
    pub fn checkpoint(&self, head: &CommitHash, spec: &SpecDocument, is_new: bool) {
        let spec = self.repaired_spec.as_ref().unwrap_or(spec);
        self.outbox.send_modify(|outbox| {
            let checkpoint = Checkpoint {
                head: head.clone(),
                spec: spec.as_str().to_owned(),
            };
            outbox.pushed = Some(checkpoint.clone());
            outbox.checkpoint = Some(checkpoint);
            if is_new {
                outbox.push(WorkerEventBody::Pushed {
                    head_sha: head.clone(),
                });
            }
        });
    }

    /// Waits for the first pushed head of the attempt. Returns the checklist with the ticks that belong to the latest one.
    pub async fn first_push(&self) -> SpecDocument {
        let mut outbox = self.outbox.subscribe();
        match outbox.wait_for(|outbox| outbox.pushed.is_some()).await {
            Ok(outbox) => {
                let pushed = outbox.pushed.as_ref();
                SpecDocument::parse(pushed.map_or_else(String::new, |pushed| pushed.spec.clone()))
            }
            // Not while this reporter exists.
            Err(_closed) => std::future::pending().await,
        }
    }

    /// The changes up to the pushed head.
    pub fn diff(&self, diff: ReportDiff) {
        self.transcript.diff(diff);
    }

    /// The project's checks are running. Counts as progress at the orchestrator.
    pub fn tests_running(&self, command: &str, elapsed: Duration) {
        self.push(WorkerEventBody::TestsRunning {
            command: self.redactor.redact(command),
            elapsed_seconds: elapsed.as_secs(),
        });
    }

    /// The project's checks finished. Secrets are masked in the report already ([`Self::redacted`]).
    pub fn tests(&self, report: &TestReport) {
        self.push(WorkerEventBody::Tests {
            report: report.clone(),
        });
    }

    /// The same report with secrets masked.
    pub fn redacted(&self, report: &TestReport) -> TestReport {
        let mut report = report.clone();
        report.command = self.redact(&report.command);
        for check in &mut report.checks {
            check.command = self.redact(&check.command);
            check.reason = check.reason.as_deref().map(|reason| self.redact(reason));
        }
        report
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
        self.transcript.notice(&message);
        self.push(WorkerEventBody::Notice { message });
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
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
