//! The buffer of what is to be sent.

use std::collections::VecDeque;

use chrono::Utc;
use whim_core::protocol::events::{WorkerEvent, WorkerEventBody};
use whim_core::protocol::worker::Heartbeat;
use whim_core::{CommitHash, Stage};

use crate::outcome::Totals;

/// Number of events with which a heartbeat is sent immediately. The orchestrator accepts up to 500.
pub(super) const FULL_BATCH: usize = 100;
/// Number of events buffered while the orchestrator is unavailable: enough for a few per second until the lease expires.
const MAX_EVENTS: usize = 5000;

/// The checklist, and the pushed head that contains the work of its ticked tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) head: CommitHash,
    pub(super) spec: String,
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) stage: Option<Stage>,
    pub(super) totals: Totals,
    /// The newest one replaces older ones.
    pub(super) checkpoint: Option<Checkpoint>,
    /// How many notes the latest prompt has, if they are more than were reported.
    pub(super) notes_delivered: Option<u32>,
    /// The latest one, also when it was sent.
    pub(super) pushed: Option<Checkpoint>,
    events: VecDeque<WorkerEvent>,
    dropped: u64,
}

impl Outbox {
    pub(super) fn push(&mut self, body: WorkerEventBody) {
        if self.events.len() >= MAX_EVENTS {
            // Tool calls are the most frequent and least important events.
            let victim = self.events.iter().position(is_tool_call).unwrap_or(0);
            self.events.remove(victim);
            self.dropped += 1;
        }
        self.events.push_back(WorkerEvent {
            occurred_at: Utc::now(),
            body,
        });
    }

    /// Whether there is anything to send before the next periodic heartbeat.
    pub(super) fn is_pending(&self) -> bool {
        !self.events.is_empty() || self.checkpoint.is_some() || self.notes_delivered.is_some()
    }

    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= FULL_BATCH
    }

    /// Moves a batch into a heartbeat.
    pub(super) fn take(&mut self, seq: u64) -> Heartbeat {
        if self.dropped > 0 {
            let dropped = std::mem::take(&mut self.dropped);
            let message = format!("{dropped} events were dropped while the orchestrator was unreachable");
            self.events.push_front(WorkerEvent {
                occurred_at: Utc::now(),
                body: WorkerEventBody::Notice { message },
            });
        }
        let count = self.events.len().min(FULL_BATCH);
        let (spec, head_sha) = match self.checkpoint.take() {
            Some(Checkpoint { head, spec }) => (Some(spec), Some(head)),
            None => (None, None),
        };
        Heartbeat {
            seq,
            iteration: self.totals.iterations,
            stats: self.totals.stats.into(),
            events: self.events.drain(..count).collect(),
            stage: self.stage,
            spec,
            head_sha,
            notes_delivered: self.notes_delivered.take(),
        }
    }
}

fn is_tool_call(event: &WorkerEvent) -> bool {
    match &event.body {
        WorkerEventBody::Ralph { event } => event.name() == "tool",
        WorkerEventBody::Stage { .. }
        | WorkerEventBody::Pushed { .. }
        | WorkerEventBody::TestsRunning { .. }
        | WorkerEventBody::Tests { .. }
        | WorkerEventBody::PullRequest { .. }
        | WorkerEventBody::Notice { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ralph(name: &str) -> WorkerEventBody {
        let event = serde_json::from_value(json!({ "event": name })).unwrap();
        WorkerEventBody::Ralph { event }
    }

    #[test]
    fn tool_calls_are_dropped_first_and_counted() {
        let mut outbox = Outbox::default();
        outbox.push(ralph("started"));
        for _ in 0..MAX_EVENTS + 7 {
            outbox.push(ralph("tool"));
        }
        outbox.push(ralph("commit"));

        let mut events = Vec::new();
        let mut seq = 0;
        while outbox.is_pending() {
            seq += 1;
            let heartbeat = outbox.take(seq);
            assert!(heartbeat.events.len() <= FULL_BATCH);
            events.extend(heartbeat.events);
        }

        let message = "9 events were dropped while the orchestrator was unreachable".to_owned();
        assert_eq!(events[0].body, WorkerEventBody::Notice { message });
        assert_eq!(events[1].body, ralph("started"));
        assert_eq!(events.last().map(|event| &event.body), Some(&ralph("commit")));
        assert_eq!(events.len(), MAX_EVENTS + 1);
    }

    #[test]
    fn the_newer_of_two_checkpoints_is_sent_once() {
        let mut outbox = Outbox::default();
        for digit in ["1", "2"] {
            outbox.checkpoint = Some(Checkpoint {
                head: CommitHash::parse(&digit.repeat(40)).unwrap(),
                spec: format!("spec {digit}"),
            });
        }
        let heartbeat = outbox.take(1);
        assert_eq!(heartbeat.spec.as_deref(), Some("spec 2"));
        assert_eq!(heartbeat.head_sha, CommitHash::parse(&"2".repeat(40)).ok());
        assert_eq!(outbox.take(2).spec, None);
    }
}
