//! Reads GitHub's report on a push as it passes (<https://git-scm.com/docs/pack-protocol#_report_status>).

use super::pkt_line::{self, PktLine};
use super::push_request::PushRequest;
use super::report::REPORT_BAND;

/// Fed with the bytes of an answer, cut anywhere. Keeps no more than a line.
#[derive(Debug)]
pub(super) struct ReportReader {
    /// The line that says that the ref was moved.
    moved: Vec<u8>,
    has_side_band: bool,
    /// The beginning of a line of the answer, and of the report in its side band.
    answer: Vec<u8>,
    report: Vec<u8>,
    is_unpacked: bool,
    is_moved: bool,
}

impl ReportReader {
    /// For the answer to a push of one ref.
    pub(super) fn new(push: &PushRequest, reference: &str) -> Self {
        Self {
            moved: format!("ok {reference}").into_bytes(),
            has_side_band: push.has("side-band-64k"),
            answer: Vec::new(),
            report: Vec::new(),
            is_unpacked: false,
            is_moved: false,
        }
    }

    /// Reads the next bytes. What is no report says nothing.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        if self.has_side_band {
            self.answer.extend_from_slice(bytes);
            for line in complete_lines(&mut self.answer) {
                if let Some((&REPORT_BAND, report)) = line.split_first() {
                    self.report.extend_from_slice(report);
                }
            }
        } else {
            self.report.extend_from_slice(bytes);
        }
        for line in complete_lines(&mut self.report) {
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            self.is_unpacked |= line == b"unpack ok";
            self.is_moved |= line == self.moved;
        }
    }

    /// Whether GitHub said that the ref was moved.
    pub(super) fn is_accepted(&self) -> bool {
        self.is_unpacked && self.is_moved
    }
}

/// Removes the complete lines from the beginning of `input`, and everything if it has no lines.
fn complete_lines(input: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let mut rest = input.as_slice();
    loop {
        match pkt_line::first(rest) {
            Ok(Some((line, after))) => {
                if let PktLine::Data(data) = line {
                    lines.push(data.to_vec());
                }
                rest = after;
            }
            Ok(None) => break,
            Err(_) => {
                rest = &[];
                break;
            }
        }
    }
    *input = rest.to_vec();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &str = "refs/heads/whim/1";

    fn lines(lines: &[&[u8]]) -> Vec<u8> {
        let mut output = Vec::new();
        for line in lines {
            pkt_line::write(&mut output, PktLine::Data(line));
        }
        pkt_line::write(&mut output, PktLine::Flush);
        output
    }

    fn push(capabilities: &str) -> PushRequest {
        let (old, new) = ("1".repeat(40), "2".repeat(40));
        let command = format!("{old} {new} {REFERENCE}\0{capabilities}");
        PushRequest::parse(&lines(&[command.as_bytes()]))
            .unwrap()
            .unwrap()
            .0
    }

    /// Whether the answer is understood as accepted, in pieces of each size.
    fn is_accepted(capabilities: &str, answer: &[u8]) -> bool {
        let read = |size: usize| {
            let mut reader = ReportReader::new(&push(capabilities), REFERENCE);
            for piece in answer.chunks(size) {
                reader.read(piece);
            }
            reader.is_accepted()
        };
        let accepted = read(answer.len().max(1));
        for size in 1..20 {
            assert_eq!(read(size), accepted, "in pieces of {size}");
        }
        accepted
    }

    #[test]
    fn a_push_is_accepted_when_github_unpacked_it_and_moved_the_ref() {
        let ok = format!("ok {REFERENCE}\n");
        for (report, expected) in [
            (lines(&[b"unpack ok\n", ok.as_bytes()]), true),
            (
                lines(&[b"unpack ok\n", ok.as_bytes(), b"option forced-update\n"]),
                true,
            ),
            (lines(&[b"unpack index-pack failed\n", ok.as_bytes()]), false),
            (lines(&[b"unpack ok\n"]), false),
            (
                lines(&[
                    b"unpack ok\n",
                    format!("ng {REFERENCE} ok {REFERENCE}\n").as_bytes(),
                ]),
                false,
            ),
            (lines(&[b"unpack ok\n", b"ok refs/heads/whim/10\n"]), false),
            (b"unpack ok\nok refs/heads/whim/1\n".to_vec(), false),
            (Vec::new(), false),
        ] {
            let text = String::from_utf8_lossy(&report).into_owned();
            assert_eq!(is_accepted("report-status", &report), expected, "{text}");
            // GitHub's progress is in between, and the report may be cut.
            let (first, second) = report.split_at(report.len() / 2);
            let banded = lines(&[
                b"\x02Resolving deltas\n",
                &[b"\x01".as_slice(), first].concat(),
                b"\x02unpack ok\n",
                &[b"\x01".as_slice(), second].concat(),
            ]);
            let capabilities = "report-status-v2 side-band-64k";
            assert_eq!(is_accepted(capabilities, &banded), expected, "{text}");
        }
        // What a hook prints is no report.
        let printed = lines(&[&[b"\x02".as_slice(), &lines(&[b"unpack ok\n", ok.as_bytes()])].concat()]);
        assert!(!is_accepted("report-status side-band-64k", &printed));
    }
}
