//! Lines from an untrusted source: split as bytes, decoded after the split, and limited in size.

use std::borrow::Cow;
use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

const CHUNK_BYTES: usize = 16 * 1024;

/// One line without its line ending (LF or CR LF).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The first bytes of the line, up to the reader's limit.
    pub bytes: Vec<u8>,
    /// Number of bytes beyond the limit, which were dropped.
    pub dropped: u64,
}

impl Line {
    /// Bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

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
    /// The last byte of the unfinished line, kept or dropped. A CR belongs to the line ending only if an LF follows.
    last_byte: Option<u8>,
}

impl<Source: AsyncRead + Unpin> Lines<Source> {
    /// Further bytes than `limit` of a line are counted and dropped.
    pub fn new(source: Source, limit: usize) -> Self {
        Self {
            source: BufReader::with_capacity(CHUNK_BYTES, source),
            limit,
            line: Line::default(),
            last_byte: None,
        }
    }

    /// The next line; the last one may lack its line ending. `None` at the end of the source.
    ///
    /// Cancel-safe: the next call continues a line that was read in part.
    ///
    /// # Errors
    /// Reading failed. The unfinished line is kept, and the call may be repeated.
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
