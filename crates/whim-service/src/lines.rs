//! Lines of bytes from a source that may send anything: split first, decode later, and never hold more than a limit.

use std::borrow::Cow;
use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// Read from the source at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// One line without its end (LF or CR LF).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The first bytes of the line, up to the reader's limit.
    pub bytes: Vec<u8>,
    /// How many bytes of the line were beyond the limit and are lost.
    pub dropped: u64,
}

impl Line {
    /// The line as text; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// Whether a part of the line is lost.
    pub fn is_truncated(&self) -> bool {
        self.dropped > 0
    }
}

/// Splits a byte stream into lines of bounded size.
#[derive(Debug)]
pub struct Lines<Source> {
    source: BufReader<Source>,
    limit: usize,
    line: Line,
    /// The last byte of the unfinished line, kept or dropped: only the next byte tells whether a CR belongs to the end.
    last_byte: Option<u8>,
}

impl<Source: AsyncRead + Unpin> Lines<Source> {
    /// Lines of at most `limit` bytes; what a line has beyond is counted and dropped.
    pub fn new(source: Source, limit: usize) -> Self {
        Self {
            source: BufReader::with_capacity(CHUNK_BYTES, source),
            limit,
            line: Line::default(),
            last_byte: None,
        }
    }

    /// The next line; the last one may lack its end. `None` at the end of the source.
    ///
    /// Cancel-safe: a line that was read in part is continued by the next call.
    ///
    /// # Errors
    /// Reading failed. What was read of the unfinished line stays, and the call may be repeated.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let chunk = self.source.fill_buf().await?;
            if chunk.is_empty() {
                let unfinished = self.last_byte.take().map(|_| std::mem::take(&mut self.line));
                return Ok(unfinished);
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            let kept = part.len().min(self.limit - self.line.bytes.len());
            self.line.bytes.extend_from_slice(&part[..kept]);
            self.line.dropped += (part.len() - kept) as u64;
            self.last_byte = part.last().copied().or(self.last_byte);
            let consumed = part.len() + usize::from(end.is_some());
            self.source.consume(consumed);
            if end.is_some() {
                return Ok(Some(self.finish()));
            }
        }
    }

    fn finish(&mut self) -> Line {
        let mut line = std::mem::take(&mut self.line);
        if self.last_byte.take() == Some(b'\r') {
            if line.is_truncated() {
                line.dropped -= 1;
            } else {
                line.bytes.pop();
            }
        }
        line
    }
}
