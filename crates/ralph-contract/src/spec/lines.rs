//! Line numbers of offsets.

/// The offset of each line. Line endings as in CommonMark: `\n`, `\r\n`, or `\r` alone.
pub(super) struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let ends = bytes.iter().enumerate().filter(|&(offset, &byte)| {
            byte == b'\n' || (byte == b'\r' && bytes.get(offset + 1) != Some(&b'\n'))
        });
        let starts = std::iter::once(0)
            .chain(ends.map(|(offset, _)| offset + 1))
            .collect();
        Self { starts }
    }

    /// The number, from 1, of the line that holds the byte at `offset`.
    pub(super) fn number(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset)
    }
}
