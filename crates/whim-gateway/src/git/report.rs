//! The gateway's own answer to a push: git's report of what was refused, which `git push` prints.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use super::pkt_line::{self, PktLine};
use super::push_request::PushRequest;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/x-git-receive-pack-result");
/// The side band of a report. Others are for people.
pub(super) const REPORT_BAND: u8 = 1;
/// A side band is cut into lines of this size.
const MAX_BAND_BYTES: usize = 65515;

/// Refuses every command of the push for one reason.
pub(super) fn refused(push: &PushRequest, reason: &str) -> Response {
    // A line break would end the line of the report.
    let reason: String = reason
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mut report = Vec::new();
    pkt_line::write(&mut report, PktLine::Data(b"unpack ok\n"));
    for command in &push.commands {
        let line = format!("ng {} {reason}\n", command.reference);
        pkt_line::write(&mut report, PktLine::Data(line.as_bytes()));
    }
    pkt_line::write(&mut report, PktLine::Flush);
    if !push.has("side-band-64k") {
        return answer(report);
    }
    let mut output = Vec::new();
    for piece in report.chunks(MAX_BAND_BYTES) {
        let line = [&[REPORT_BAND], piece].concat();
        pkt_line::write(&mut output, PktLine::Data(&line));
    }
    pkt_line::write(&mut output, PktLine::Flush);
    answer(output)
}

/// A push without commands changes nothing.
pub(super) fn nothing_to_do() -> Response {
    answer(Vec::new())
}

fn answer(body: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, CONTENT_TYPE),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, body).into_response()
}
