//! Entries that wait to be sent, and the limits of the whole transcript.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use whim_core::protocol::diff::ReportDiff;
use whim_core::protocol::transcript::{
    MAX_SEGMENT_BYTES, MAX_SEGMENT_ENTRIES, MAX_TRANSCRIPT_BYTES, OmissionReason, TranscriptBody,
    TranscriptEntry, TranscriptOmitted, UploadTranscript,
};

/// What the agent said and read is stored up to this size. The rest is for iterations, commits, tasks and warnings.
const MAX_CONTENT_BYTES: u64 = MAX_TRANSCRIPT_BYTES - 4 * 1024 * 1024;
/// Everything else is stored up to this size. The rest is for omissions.
const MAX_OTHER_BYTES: u64 = MAX_TRANSCRIPT_BYTES - 64 * 1024;
/// Limit of the buffer while the orchestrator is unreachable.
const MAX_BUFFERED_BYTES: usize = 8 * 1024 * 1024;
/// A segment is full before it reaches the limit of the protocol: its entry may be as large as two texts.
const FULL_SEGMENT_BYTES: usize = MAX_SEGMENT_BYTES / 4;

#[derive(Debug)]
struct Sized {
    entry: TranscriptEntry,
    bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct Buffer {
    /// The current iteration.
    pub(super) iteration: u32,
    /// The newest one replaces older ones.
    pub(super) diff: Option<ReportDiff>,
    entries: VecDeque<Sized>,
    buffered_bytes: usize,
    last_number: u64,
    /// Of all accepted entries.
    total_bytes: u64,
    /// Once content was omitted at the limit, no further one is accepted.
    is_full_of_content: bool,
    beyond_limit: Omissions,
    beyond_buffer: Omissions,
}

#[derive(Clone, Copy, Debug, Default)]
struct Omissions {
    count: u64,
    bytes: u64,
}

impl Omissions {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }

    fn take(&mut self, reason: OmissionReason) -> Option<TranscriptBody> {
        let Self { count, bytes } = std::mem::take(self);
        (count > 0).then_some(TranscriptBody::Omitted(TranscriptOmitted {
            count,
            bytes,
            reason,
        }))
    }
}

impl Buffer {
    /// Whether further content of the agent is omitted.
    pub(super) fn is_at_limit(&self) -> bool {
        self.is_full_of_content
    }

    pub(super) fn omit_at_limit(&mut self, bytes: u64) {
        self.beyond_limit.add(bytes);
    }

    pub(super) fn push(&mut self, now: DateTime<Utc>, body: TranscriptBody) {
        let is_content = matches!(
            body,
            TranscriptBody::Message(_) | TranscriptBody::Tool(_) | TranscriptBody::ToolResult(_)
        );
        let new = self.sized(now, body);
        let limit = if is_content {
            MAX_CONTENT_BYTES
        } else {
            MAX_OTHER_BYTES
        };
        if self.total_bytes + new.bytes as u64 > limit {
            self.is_full_of_content |= is_content;
            self.beyond_limit.add(new.bytes as u64);
        } else if self.buffered_bytes + new.bytes > MAX_BUFFERED_BYTES {
            self.beyond_buffer.add(new.bytes as u64);
        } else {
            // In its place, before the entry that follows.
            self.push_omissions(now);
            self.accept(new);
        }
    }

    /// Nothing follows: what was omitted at the end becomes an entry, too.
    pub(super) fn close(&mut self, now: DateTime<Utc>) {
        self.push_omissions(now);
    }

    /// Whether there is anything to send.
    pub(super) fn is_pending(&self) -> bool {
        !self.entries.is_empty() || self.diff.is_some()
    }

    pub(super) fn is_full(&self) -> bool {
        self.buffered_bytes >= FULL_SEGMENT_BYTES || self.entries.len() >= MAX_SEGMENT_ENTRIES
    }

    /// Moves the oldest entries into a segment; `None` if there are none.
    pub(super) fn take_segment(&mut self) -> Option<UploadTranscript> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        while bytes < FULL_SEGMENT_BYTES && entries.len() < MAX_SEGMENT_ENTRIES {
            let Some(next) = self.entries.pop_front() else {
                break;
            };
            bytes += next.bytes;
            entries.push(next.entry);
        }
        self.buffered_bytes -= bytes;
        (!entries.is_empty()).then(|| UploadTranscript {
            entries,
            more: self.is_full(),
        })
    }

    fn push_omissions(&mut self, now: DateTime<Utc>) {
        let omissions = [
            self.beyond_limit.take(OmissionReason::Limit),
            self.beyond_buffer.take(OmissionReason::Buffer),
        ];
        for body in omissions.into_iter().flatten() {
            let entry = self.sized(now, body);
            self.accept(entry);
        }
    }

    fn sized(&self, now: DateTime<Utc>, body: TranscriptBody) -> Sized {
        let entry = TranscriptEntry {
            number: self.last_number + 1,
            occurred_at: now,
            iteration: self.iteration,
            body,
        };
        let bytes = serde_json::to_string(&entry).map_or(0, |json| json.len());
        Sized { entry, bytes }
    }

    fn accept(&mut self, mut new: Sized) {
        self.last_number += 1;
        new.entry.number = self.last_number;
        self.total_bytes += new.bytes as u64;
        self.buffered_bytes += new.bytes;
        self.entries.push_back(new);
    }
}

#[cfg(test)]
mod tests {
    use whim_core::protocol::transcript::{MessageRole, TranscriptMessage};

    use super::*;

    fn message(bytes: usize) -> TranscriptBody {
        TranscriptBody::Message(TranscriptMessage {
            role: MessageRole::Assistant,
            text: "x".repeat(bytes),
            truncated_bytes: 0,
            parent_tool_id: None,
        })
    }

    fn take_all(buffer: &mut Buffer) -> Vec<TranscriptEntry> {
        let mut all = Vec::new();
        while let Some(segment) = buffer.take_segment() {
            let json = serde_json::to_string(&segment).unwrap();
            assert!(json.len() <= MAX_SEGMENT_BYTES && segment.entries.len() <= MAX_SEGMENT_ENTRIES);
            assert_eq!(segment.more, buffer.is_full());
            all.extend(segment.entries);
        }
        all
    }

    fn omitted(entry: &TranscriptEntry) -> (u64, OmissionReason) {
        let TranscriptBody::Omitted(omitted) = &entry.body else {
            panic!("{entry:?}");
        };
        (omitted.count, omitted.reason)
    }

    #[test]
    fn entries_are_numbered_without_gaps_and_sent_in_order() {
        let mut buffer = Buffer::default();
        for _ in 0..1200 {
            buffer.push(Utc::now(), message(10));
        }
        let numbers: Vec<u64> = take_all(&mut buffer).iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, (1..=1200).collect::<Vec<_>>());
        assert!(!buffer.is_pending());
    }

    #[test]
    fn a_full_buffer_omits_entries_and_counts_them_in_their_place() {
        let mut buffer = Buffer::default();
        let fitting = MAX_BUFFERED_BYTES / 16_500;
        for _ in 0..fitting + 300 {
            buffer.push(Utc::now(), message(16_384));
        }
        assert!(buffer.buffered_bytes <= MAX_BUFFERED_BYTES);
        let sent = take_all(&mut buffer).len() as u64;
        buffer.push(Utc::now(), message(1));
        let rest = take_all(&mut buffer);
        assert_eq!(
            omitted(&rest[0]),
            (fitting as u64 + 300 - sent, OmissionReason::Buffer)
        );
        assert_eq!((rest[0].number, rest[1].number), (sent + 1, sent + 2));
    }

    #[test]
    fn a_transcript_at_its_limit_still_tells_iterations_and_says_what_is_missing() {
        let mut buffer = Buffer::default();
        let mut bytes = 0;
        // 1 GB, which is sent as fast as it arrives.
        for _ in 0..64_000 {
            if buffer.is_at_limit() {
                buffer.omit_at_limit(16_000);
            } else {
                buffer.push(Utc::now(), message(16_000));
                bytes += take_all(&mut buffer).len() as u64 * 16_000;
            }
        }
        assert!(
            (MAX_CONTENT_BYTES - 2_000_000..MAX_CONTENT_BYTES).contains(&bytes),
            "{bytes}"
        );
        buffer.push(Utc::now(), TranscriptBody::IterationStarted);
        buffer.omit_at_limit(5);
        buffer.close(Utc::now());
        let rest = take_all(&mut buffer);
        let (count, reason) = omitted(&rest[0]);
        assert_eq!((count, reason), (64_000 - bytes / 16_000, OmissionReason::Limit));
        assert_eq!(rest[1].body, TranscriptBody::IterationStarted);
        assert_eq!(omitted(&rest[2]), (1, OmissionReason::Limit));
    }
}
