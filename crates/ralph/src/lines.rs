//! Splits bytes from a pipe into lines of bounded size, and decodes them after the split.

/// One line without its line ending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutputLine {
    /// Bytes that are not UTF-8 are replaced with U+FFFD.
    pub(crate) text: String,
    /// Number of bytes at its end that were beyond the limit.
    pub(crate) dropped_bytes: u64,
}

/// Splits a stream of bytes at `\n`, independent of its chunks.
///
/// Splitting comes before decoding, because a chunk may end in the middle of a character. At most `limit` bytes of a line
/// are held in memory.
#[derive(Debug)]
pub(crate) struct LineSplitter {
    limit: usize,
    kept: Vec<u8>,
    dropped_bytes: u64,
}

impl LineSplitter {
    /// 1 MiB, which is larger than any event that is evaluated.
    pub(crate) const DEFAULT_LIMIT: usize = 1024 * 1024;

    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: Vec::new(),
            dropped_bytes: 0,
        }
    }

    /// Adds bytes, and passes each line that they complete to `sink`.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut sink: impl FnMut(OutputLine)) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.keep(&bytes[..end]);
            bytes = &bytes[end + 1..];
            sink(self.take());
        }
        self.keep(bytes);
    }

    /// The last line, if the stream ended without a line ending.
    pub(crate) fn finish(mut self) -> Option<OutputLine> {
        (!self.kept.is_empty()).then(|| self.take())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.kept.len());
        let (kept, dropped) = bytes.split_at(bytes.len().min(room));
        self.kept.extend_from_slice(kept);
        self.dropped_bytes = self.dropped_bytes.saturating_add(dropped.len() as u64);
    }

    fn take(&mut self) -> OutputLine {
        let mut bytes: &[u8] = &self.kept;
        if self.dropped_bytes == 0 {
            bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        }
        let line = OutputLine {
            text: String::from_utf8_lossy(bytes).into_owned(),
            dropped_bytes: self.dropped_bytes,
        };
        self.kept.clear();
        // Releases the memory of a long line.
        self.kept.shrink_to(64 * 1024);
        self.dropped_bytes = 0;
        line
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&[u8]], limit: usize) -> Vec<OutputLine> {
        let mut splitter = LineSplitter::new(limit);
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.push(chunk, |line| lines.push(line));
        }
        lines.extend(splitter.finish());
        lines
    }

    fn texts(chunks: &[&[u8]]) -> Vec<String> {
        split(chunks, 1024).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn a_character_that_is_split_between_two_chunks_stays_whole() {
        let crab = "🦀".as_bytes();
        assert_eq!(texts(&[&crab[..2], &crab[2..], b"\n"]), ["🦀"]);
    }

    #[test]
    fn carriage_returns_before_the_line_ending_are_no_part_of_the_line() {
        assert_eq!(
            texts(&[b"one\r\ntwo\r", b"\nthree\rfour\n"]),
            ["one", "two", "three\rfour"]
        );
    }

    #[test]
    fn the_last_line_counts_without_a_line_ending_and_an_empty_rest_does_not() {
        assert_eq!(texts(&[b"one\nhalf"]), ["one", "half"]);
        assert_eq!(texts(&[b"one\n"]), ["one"]);
        assert_eq!(texts(&[b""]), [""; 0]);
    }

    #[test]
    fn nul_and_invalid_bytes_are_tolerated() {
        assert_eq!(texts(&[b"a\0b\xff\xfec\n"]), ["a\0b\u{fffd}\u{fffd}c"]);
    }

    #[test]
    fn a_line_of_100_mb_keeps_what_the_limit_allows_and_counts_the_rest() {
        let chunk = vec![b'x'; 1 << 20];
        let mut splitter = LineSplitter::new(LineSplitter::DEFAULT_LIMIT);
        let mut lines = Vec::new();
        for _ in 0..100 {
            splitter.push(&chunk, |line| lines.push(line));
            assert!(splitter.kept.capacity() <= 2 * LineSplitter::DEFAULT_LIMIT);
        }
        splitter.push(b"\nnext\n", |line| lines.push(line));
        assert_eq!(lines[0].text.len(), LineSplitter::DEFAULT_LIMIT);
        assert_eq!(lines[0].dropped_bytes, 99 << 20);
        assert_eq!(
            lines[1],
            OutputLine {
                text: "next".to_owned(),
                dropped_bytes: 0
            }
        );
    }

    proptest! {
        #[test]
        fn the_same_bytes_give_the_same_lines_however_they_are_chunked(
            bytes in proptest::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(b'\n'), 1 => Just(b'\r')], 0..400),
            mut cuts in proptest::collection::vec(0usize..400, 0..12),
            limit in 1usize..40,
        ) {
            cuts.retain(|&cut| cut < bytes.len());
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let mut start = 0;
            let chunks: Vec<&[u8]> = cuts
                .into_iter()
                .map(|cut| { let chunk = &bytes[start..cut]; start = cut; chunk })
                .collect();
            let lines = split(&chunks, limit);
            prop_assert_eq!(&lines, &split(&[&bytes], limit));
            let newlines = bytes.iter().filter(|&&byte| byte == b'\n').count();
            let has_rest = bytes.last().is_some_and(|&byte| byte != b'\n');
            prop_assert_eq!(lines.len(), newlines + usize::from(has_rest));
        }
    }
}
