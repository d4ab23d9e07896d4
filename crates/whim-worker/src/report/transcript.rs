//! The transcript: what the agent said and did, uploaded apart from heartbeats.
//!
//! The [`Recorder`] only writes into a bounded buffer and never waits. The [`Uploader`] sends segments of it, and the diff
//! of the latest push. Neither renews the lease, and a failed upload does not end the attempt.

mod buffer;
mod content;
mod uploader;

use std::sync::Arc;

use chrono::Utc;
use ralph_contract::{Event, IterationPhase};
use tokio::sync::watch;
use whim_client::WorkerClient;
use whim_core::Stage;
use whim_core::protocol::diff::ReportDiff;
use whim_core::protocol::transcript::{TranscriptBody, TranscriptNotice, TranscriptStage};
use whim_core::redact::Redactor;

use self::buffer::Buffer;
pub use self::uploader::Uploader;

/// Buffers entries. Clones share the buffer.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    buffer: watch::Sender<Buffer>,
    redactor: Arc<Redactor>,
}

pub(super) fn open(client: WorkerClient, redactor: Arc<Redactor>) -> (Recorder, Uploader) {
    let buffer = watch::Sender::new(Buffer::default());
    let recorder = Recorder {
        buffer: buffer.clone(),
        redactor,
    };
    (recorder, Uploader::new(client, buffer))
}

impl Recorder {
    pub(super) fn event(&self, event: &Event) {
        if let Event::Iteration(iteration) = event
            && iteration.phase == IterationPhase::Starting
        {
            let number = iteration.n;
            self.buffer.send_modify(|buffer| buffer.iteration = number);
        }
        // What is not stored does not have to be masked.
        if content::is_content(event) && self.buffer.borrow().is_at_limit() {
            let bytes = content::size(event);
            self.buffer.send_modify(|buffer| buffer.omit_at_limit(bytes));
            return;
        }
        if let Some(body) = content::body(event, &self.redactor) {
            self.push(body);
        }
    }

    pub(super) fn stage(&self, stage: Stage) {
        self.push(TranscriptBody::Stage(TranscriptStage { stage }));
    }

    /// `message` has its secrets masked.
    pub(super) fn notice(&self, message: &str) {
        let message = message.replace('\0', "\u{fffd}");
        self.push(TranscriptBody::Notice(TranscriptNotice { message }));
    }

    /// Replaces a diff that was not sent yet.
    pub(super) fn diff(&self, diff: ReportDiff) {
        self.buffer.send_modify(|buffer| buffer.diff = Some(diff));
    }

    fn push(&self, body: TranscriptBody) {
        let now = Utc::now();
        self.buffer.send_modify(|buffer| buffer.push(now, body));
    }
}
