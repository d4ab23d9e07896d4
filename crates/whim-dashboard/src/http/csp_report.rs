//! Reports of browsers about violations of the content security policy: something tried to run or load what the page does
//! not contain (docs/attacks.md, row 26).

use std::sync::PoisonError;
use std::time::Instant;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use super::state::Dashboard;
use crate::access::Client;
use crate::error::ApiError;
use crate::metrics;

const MAX_LOGGED: u32 = 10;

/// Longest text of a browser in a log line, in characters.
const MAX_LOGGED_CHARACTERS: usize = 200;

/// The directives of the page's policy, and `other`: a browser can send any text.
const DIRECTIVES: [&str; 12] = [
    "base-uri",
    "connect-src",
    "default-src",
    "font-src",
    "form-action",
    "frame-ancestors",
    "img-src",
    "manifest-src",
    "script-src",
    "style-src",
    "worker-src",
    "frame-src",
];
const OTHER: &str = "other";

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Envelope {
    csp_report: Report,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Report {
    effective_directive: String,
    violated_directive: String,
    blocked_uri: String,
    document_uri: String,
    source_file: String,
    line_number: u32,
}

pub(super) async fn receive(
    State(dashboard): State<Dashboard>,
    Extension(client): Extension<Client>,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let envelope: Envelope = serde_json::from_slice(&body)
        .map_err(|_| ApiError::invalid("expected a report of a violation of the content security policy"))?;
    let report = envelope.csp_report;
    let directive = report.directive();
    metrics::csp_report(directive);
    let count = {
        let mut logged = dashboard
            .logged_reports
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        logged.count(client.address, Instant::now()).number
    };
    if count <= MAX_LOGGED {
        tracing::warn!(
            from = %client.address,
            directive,
            blocked = shortened(&report.blocked_uri),
            page = shortened(&report.document_uri),
            source = shortened(&report.source_file),
            line = report.line_number,
            "a browser blocked what the content security policy forbids"
        );
    }
    Ok(StatusCode::NO_CONTENT)
}

impl Report {
    fn directive(&self) -> &'static str {
        let named = if self.effective_directive.is_empty() {
            &self.violated_directive
        } else {
            &self.effective_directive
        };
        // Older browsers send the whole directive, and newer ones `script-src-elem`.
        let name = named.split(' ').next().unwrap_or_default();
        let name = name.trim_end_matches("-elem").trim_end_matches("-attr");
        DIRECTIVES
            .into_iter()
            .find(|directive| *directive == name)
            .unwrap_or(OTHER)
    }
}

/// Without control characters, which could forge log lines.
fn shortened(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(MAX_LOGGED_CHARACTERS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directive(effective: &str, violated: &str) -> &'static str {
        let report = Report {
            effective_directive: effective.to_owned(),
            violated_directive: violated.to_owned(),
            ..Report::default()
        };
        report.directive()
    }

    #[test]
    fn directives_are_of_a_known_set() {
        assert_eq!(directive("script-src-elem", "script-src-elem"), "script-src");
        assert_eq!(directive("style-src-attr", ""), "style-src");
        assert_eq!(directive("", "img-src 'self' data:"), "img-src");
        assert_eq!(directive("made-up", ""), OTHER);
        assert_eq!(directive("", ""), OTHER);
    }

    #[test]
    fn texts_in_log_lines_are_short_and_of_one_line() {
        assert_eq!(shortened("a\nb\u{1b}[31m"), "ab[31m");
        assert_eq!(shortened(&"x".repeat(1000)).len(), MAX_LOGGED_CHARACTERS);
    }
}
