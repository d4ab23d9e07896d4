use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWriteExt as _, ReadBuf};
use whim_service::lines::{Line, Lines};

/// A source that gives exactly these chunks.
struct Chunks(VecDeque<Vec<u8>>);

impl AsyncRead for Chunks {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if let Some(mut chunk) = self.0.pop_front() {
            let rest = chunk.split_off(chunk.len().min(buffer.remaining()));
            buffer.put_slice(&chunk);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn read_all(chunks: impl IntoIterator<Item = Vec<u8>>, limit: usize) -> Vec<Line> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut lines = Lines::new(Chunks(chunks.into_iter().collect()), limit);
        let mut read = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            read.push(line);
        }
        read
    })
}

fn line(bytes: &str, dropped: u64) -> Line {
    Line {
        bytes: bytes.as_bytes().to_vec(),
        dropped,
    }
}

/// What the lines of a whole input are, written the obvious way.
fn expected_lines(input: &[u8], limit: usize) -> Vec<Line> {
    input
        .split_inclusive(|byte| *byte == b'\n')
        .map(|piece| {
            let content = match piece {
                [content @ .., b'\r', b'\n'] | [content @ .., b'\n'] | content => content,
            };
            let kept = &content[..content.len().min(limit)];
            Line {
                bytes: kept.to_vec(),
                dropped: (content.len() - kept.len()) as u64,
            }
        })
        .collect()
}

#[test]
fn lines_end_with_lf_or_crlf_and_the_last_may_lack_its_end() {
    let read = read_all([b"one\ntwo\r\n\nfour\rmore\r\n\r\nlast".to_vec()], 100);
    let expected = ["one", "two", "", "four\rmore", "", "last"].map(|text| line(text, 0));
    assert_eq!(read, expected);
}

#[test]
fn what_is_beyond_the_limit_is_counted_and_dropped() {
    assert_eq!(
        read_all([b"123456789\nnext\n".to_vec()], 4),
        [line("1234", 5), line("next", 0)]
    );
}

#[test]
fn a_carriage_return_at_the_limit_is_part_of_the_end_and_not_of_the_loss() {
    assert_eq!(
        read_all([b"1234\r\n".to_vec(), b"12345\r\n".to_vec()], 4),
        [line("1234", 0), line("1234", 1)]
    );
}

#[test]
fn a_huge_line_costs_no_more_than_the_limit() {
    let mut chunks = vec![vec![b'x'; 1 << 20]; 100];
    chunks.push(b"\nafter\n".to_vec());

    let read = read_all(chunks, 1 << 20);

    assert_eq!((read[0].bytes.len(), read[0].dropped), (1 << 20, 99 << 20));
    assert!(read[0].bytes.capacity() <= 2 << 20);
    assert_eq!(read[1], line("after", 0));
}

#[test]
fn bytes_that_are_not_text_are_decoded_with_replacements() {
    let read = read_all([b"a\xff\xfeb\n".to_vec()], 100);
    assert_eq!(read[0].text(), "a\u{fffd}\u{fffd}b");
}

#[test]
fn an_empty_source_has_no_lines() {
    assert_eq!(read_all([], 10), []);
}

#[tokio::test]
async fn a_cancelled_read_loses_nothing() {
    let (mut writer, reader) = tokio::io::duplex(64);
    let mut lines = Lines::new(reader, 100);
    writer.write_all(b"half ").await.unwrap();
    tokio::select! {
        biased;
        line = lines.next() => panic!("a line without its end: {line:?}"),
        () = tokio::task::yield_now() => {}
    }
    writer.write_all(b"and half\n").await.unwrap();
    assert_eq!(lines.next().await.unwrap(), Some(line("half and half", 0)));
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_lines(
        input in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
        cuts in proptest::collection::vec(0_usize..200, 0..20),
        limit in 0_usize..20,
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
        cuts.sort_unstable();
        cuts.push(input.len());
        let mut begin = 0;
        let mut chunks = Vec::new();
        for end in cuts {
            // An empty chunk would mean the end of the source.
            if end > begin {
                chunks.push(input[begin..end].to_vec());
            }
            begin = end;
        }
        prop_assert_eq!(read_all(chunks, limit), expected_lines(&input, limit));
    }
}
