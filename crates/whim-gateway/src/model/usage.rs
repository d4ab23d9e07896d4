//! The usage that a response of the model API reports, read while it passes.

use serde::Deserialize;
use whim_core::protocol::costs::{MAX_TOKENS, ModelTokens};

/// The longest line of an event stream that is read; the events with the usage are short.
const MAX_LINE_BYTES: usize = 256 * 1024;
/// The longest response without streaming that is read.
const MAX_JSON_BYTES: usize = 4 * 1024 * 1024;

/// What surrounds the text in an event with a piece of it.
const PIECE_OVERHEAD_BYTES: usize = 80;
/// Text of most languages has more bytes per token, so that an estimate is rather too high.
const BYTES_PER_TOKEN: usize = 3;

/// An estimate.
fn tokens_of(bytes: usize) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN) as u64
}

/// Tokens of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) cache_read: u64,
    /// For whatever time.
    pub(super) cache_write: u64,
    /// The part of `cache_write` that is kept for an hour.
    pub(super) cache_write_hour: u64,
}

impl Usage {
    pub(super) fn by_kind(self) -> [(&'static str, u64); 4] {
        [
            ("input", self.input),
            ("output", self.output),
            ("cache_read", self.cache_read),
            ("cache_write", self.cache_write),
        ]
    }

    /// By their prices, each within the limit of a report.
    pub(super) fn tokens(self) -> ModelTokens {
        let hour = self.cache_write_hour.min(self.cache_write);
        ModelTokens {
            input: self.input.min(MAX_TOKENS),
            output: self.output.min(MAX_TOKENS),
            cache_read: self.cache_read.min(MAX_TOKENS),
            cache_write: (self.cache_write - hour).min(MAX_TOKENS),
            cache_write_hour: hour.min(MAX_TOKENS),
        }
    }

    /// Later reports of a stream are totals, and name only some of the numbers.
    fn update(&mut self, reported: &ReportedUsage) {
        let set = |number: &mut u64, reported: Option<u64>| *number = reported.unwrap_or(*number);
        set(&mut self.input, reported.input_tokens);
        set(&mut self.output, reported.output_tokens);
        set(&mut self.cache_read, reported.cache_read_input_tokens);
        set(&mut self.cache_write, reported.cache_creation_input_tokens);
        let hour = reported.cache_creation.as_ref();
        set(
            &mut self.cache_write_hour,
            hour.and_then(|creation| creation.ephemeral_1h_input_tokens),
        );
    }
}

/// Reads the bytes of a response, cut anywhere.
#[derive(Debug)]
pub(super) struct UsageReader {
    form: Form,
    /// The line of a stream, or the whole of a response, so far.
    buffer: Vec<u8>,
    /// Whether the buffer lacks something.
    is_cut: bool,
    usage: Usage,
    /// Tokens of the pieces of a stream that were seen, by their size.
    seen: u64,
    is_complete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Events,
    Json,
}

#[derive(Debug, Deserialize)]
struct ReportedUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<CacheCreation>,
}

#[derive(Debug, Deserialize)]
struct CacheCreation {
    ephemeral_1h_input_tokens: Option<u64>,
}

/// `message_start`, `message_delta` and `message_stop`, or a whole message.
#[derive(Debug, Deserialize)]
struct Reported {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<ReportedMessage>,
    usage: Option<ReportedUsage>,
    /// The response of `count_tokens`, which is free.
    input_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct ReportedMessage {
    usage: Option<ReportedUsage>,
}

impl UsageReader {
    pub(super) fn new(is_stream: bool) -> Self {
        Self {
            form: if is_stream { Form::Events } else { Form::Json },
            buffer: Vec::new(),
            is_cut: false,
            usage: Usage::default(),
            seen: 0,
            is_complete: false,
        }
    }

    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        if self.form == Form::Json {
            self.keep(bytes, MAX_JSON_BYTES);
            return;
        }
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            self.keep(line, MAX_LINE_BYTES);
            self.end_line();
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.keep(bytes, MAX_LINE_BYTES);
    }

    /// The usage, and whether the response is complete. Of a response that broke off, the output is at least what was seen, and
    /// without any report, `request_bytes` stand for the input.
    pub(super) fn finish(&mut self, request_bytes: usize) -> (Usage, bool) {
        if self.form == Form::Json && !self.is_cut {
            self.report();
        }
        if !self.is_complete {
            if self.usage == Usage::default() {
                self.usage.input = tokens_of(request_bytes);
            }
            if self.form == Form::Json {
                self.seen = tokens_of(self.buffer.len());
            }
            self.usage.output = self.usage.output.max(self.seen);
        }
        (self.usage, self.is_complete)
    }

    fn keep(&mut self, bytes: &[u8], limit: usize) {
        if self.is_cut || self.buffer.len() + bytes.len() > limit {
            self.is_cut = true;
            self.buffer = Vec::new();
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self) {
        if !self.is_cut && self.buffer.starts_with(b"data:") {
            self.buffer.drain(..b"data:".len());
            // Of the others, only the pieces of the text are frequent.
            let data = self.buffer.trim_ascii_start();
            if data.starts_with(br#"{"type":"content_block"#) {
                self.seen += tokens_of(data.len().saturating_sub(PIECE_OVERHEAD_BYTES)).max(1);
            } else {
                self.report();
            }
        }
        self.buffer.clear();
        self.is_cut = false;
    }

    fn report(&mut self) {
        let Ok(reported) = serde_json::from_slice::<Reported>(&self.buffer) else {
            return;
        };
        let in_message = reported.message.and_then(|message| message.usage);
        for usage in [in_message, reported.usage].into_iter().flatten() {
            self.usage.update(&usage);
        }
        self.is_complete |= match self.form {
            Form::Events => reported.kind.as_deref() == Some("message_stop"),
            Form::Json => reported.kind.as_deref() == Some("message") || reported.input_tokens.is_some(),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":7,",
        "\"cache_creation_input_tokens\":5,\"cache_creation\":{\"ephemeral_5m_input_tokens\":3,\"ephemeral_1h_input_tokens\":2},\"cache_read_input_tokens\":3,\"output_tokens\":1}}}\n\n",
        "event: ping\r\ndata: {\"type\":\"ping\"}\r\n\r\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"\\\"usage\\\"\"}}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":42}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );
    const REQUEST_BYTES: usize = 300;
    const USED: Usage = Usage {
        input: 7,
        output: 42,
        cache_read: 3,
        cache_write: 5,
        cache_write_hour: 2,
    };

    proptest! {
        #[test]
        fn a_stream_may_be_cut_anywhere(mut cuts in proptest::collection::vec(0..STREAM.len(), 0..12)) {
            cuts.sort_unstable();
            let mut reader = UsageReader::new(true);
            let mut begin = 0;
            for end in cuts.into_iter().chain([STREAM.len()]) {
                reader.read(&STREAM.as_bytes()[begin..end]);
                begin = end;
            }
            prop_assert_eq!(reader.finish(REQUEST_BYTES), (USED, true));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2000), is_stream: bool) {
            let mut reader = UsageReader::new(is_stream);
            reader.read(&bytes);
            reader.finish(REQUEST_BYTES);
        }
    }

    #[test]
    fn a_broken_stream_counts_what_was_seen() {
        let mut reader = UsageReader::new(true);
        reader.read(&STREAM.as_bytes()[..STREAM.find("event: message_delta").unwrap()]);
        let text = "x".repeat(300);
        let piece = format!("data: {{\"type\":\"content_block_delta\",\"delta\":{{\"text\":\"{text}\"}}}}\n");
        reader.read(piece.as_bytes());
        let (usage, is_complete) = reader.finish(REQUEST_BYTES);
        assert_eq!((usage.input, is_complete), (7, false));
        assert!((90..150).contains(&usage.output), "{usage:?}");
    }

    #[test]
    fn without_any_report_the_size_of_the_request_counts() {
        let mut reader = UsageReader::new(true);
        assert_eq!(reader.finish(REQUEST_BYTES).0.input, 100);
        let mut json = UsageReader::new(false);
        json.read(&[b'x'; 30]);
        let (usage, is_complete) = json.finish(REQUEST_BYTES);
        assert_eq!((usage.input, usage.output, is_complete), (100, 10, false));
    }

    #[test]
    fn tokens_are_split_by_their_prices() {
        let tokens = USED.tokens();
        assert_eq!((tokens.cache_write, tokens.cache_write_hour), (3, 2));
        let absurd = Usage {
            output: u64::MAX,
            cache_write_hour: u64::MAX,
            ..USED
        };
        assert_eq!(absurd.tokens().output, MAX_TOKENS);
        assert_eq!(
            (absurd.tokens().cache_write, absurd.tokens().cache_write_hour),
            (0, 5)
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped() {
        let mut reader = UsageReader::new(true);
        reader.read(b"data: {\"type\":\"x\",\"text\":\"");
        for _ in 0..MAX_LINE_BYTES / 1024 + 1 {
            reader.read(&[b'x'; 1024]);
        }
        assert!(reader.buffer.capacity() <= MAX_LINE_BYTES);
        reader.read(b"\"}\n");
        reader.read(STREAM.as_bytes());
        assert_eq!(reader.finish(REQUEST_BYTES), (USED, true));
    }

    #[test]
    fn a_response_without_streaming_has_its_usage_at_the_end() {
        let mut reader = UsageReader::new(false);
        reader.read(
            b"{\"type\":\"message\",\"content\":[],\"usage\":{\"input_tokens\":7,\"cache_creation_input_",
        );
        reader.read(b"tokens\":5,\"cache_creation\":{\"ephemeral_1h_input_tokens\":2},\"cache_read_input_tokens\":3,\"output_tokens\":42}}");
        assert_eq!(reader.finish(REQUEST_BYTES), (USED, true));
        let mut counted = UsageReader::new(false);
        counted.read(b"{\"input_tokens\":12}");
        assert_eq!(counted.finish(REQUEST_BYTES), (Usage::default(), true));
    }
}
