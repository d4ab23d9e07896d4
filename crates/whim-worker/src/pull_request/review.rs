//! The review by a model, as a part of the body.

use std::fmt::Write as _;

use ralph_contract::{ReviewFinding, ReviewSeverity};

use super::sanitize::{code, one_line, prose};
use crate::review::ReviewOutcome;
use crate::text::counted;

const MAX_SUMMARY_CHARACTERS: usize = 2000;
const MAX_FINDING_CHARACTERS: usize = 500;
/// Of a finding.
const MAX_PLACE_CHARACTERS: usize = 200;
/// GitHub accepts 65,536 characters in a body; the rest is for the other parts.
const MAX_REVIEW_CHARACTERS: usize = 12_000;

/// `None` if reviews are switched off.
pub(super) fn section(outcome: &ReviewOutcome) -> Option<String> {
    let review = match outcome {
        ReviewOutcome::Off => return None,
        ReviewOutcome::Failed(reason) => {
            let reason = one_line(reason, MAX_FINDING_CHARACTERS);
            return Some(format!(
                "## Review\n\n> [!WARNING]\n> The review by a model failed: {reason}"
            ));
        }
        ReviewOutcome::Reviewed(review) => review,
    };
    let mut text = format!("## Review\n\n{}", prose(&review.summary, MAX_SUMMARY_CHARACTERS));
    let mut characters = text.chars().count();
    for (index, finding) in review.findings.iter().enumerate() {
        text.push_str(if index == 0 { "\n\n" } else { "\n" });
        let item = item(finding);
        characters += item.chars().count() + 1;
        if characters > MAX_REVIEW_CHARACTERS {
            let more = counted((review.findings.len() - index) as u64, "more finding");
            write!(text, "\n… and {more}").ok();
            break;
        }
        text.push_str(&item);
    }
    Some(text)
}

/// A finding as an item of a list.
fn item(finding: &ReviewFinding) -> String {
    let severity = match finding.severity {
        ReviewSeverity::Error => "**error**",
        ReviewSeverity::Warning => "warning",
        ReviewSeverity::Note => "note",
    };
    let place = match (&finding.file, finding.line) {
        (Some(file), Some(line)) => format!(" {}", code(&format!("{file}:{line}"), MAX_PLACE_CHARACTERS)),
        (Some(file), None) => format!(" {}", code(file, MAX_PLACE_CHARACTERS)),
        (None, _) => String::new(),
    };
    let task = finding
        .task
        .map_or_else(String::new, |task| format!(" (task {task})"));
    let message = one_line(&finding.message, MAX_FINDING_CHARACTERS);
    let proposal = finding
        .suggestion
        .as_ref()
        .map_or_else(String::new, |suggestion| {
            format!(" *Proposal:* {}", one_line(suggestion, MAX_FINDING_CHARACTERS))
        });
    format!("- {severity}{place}{task}: {message}{proposal}")
}
