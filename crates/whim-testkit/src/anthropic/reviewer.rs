//! The scripted reviewer: a review as structured output.

use ralph_contract::Review;
use serde_json::json;

use super::conversation::{Purpose, ToolCall, Turn};

/// The tool with which Claude Code collects output of a schema.
pub(super) const TOOL: &str = "StructuredOutput";

/// Gives the review at once. Texts that a script leaves empty are filled.
pub(super) fn answer(review: &Review) -> Turn {
    let or = |text: &str, other: &str| if text.is_empty() { other } else { text }.to_owned();
    let input = json!({
        "description": or(&review.description, "The change does what the checklist asks for."),
        "summary": or(&review.summary, "Every task is fulfilled."),
        "findings": review.findings,
    });
    Turn::Call(ToolCall {
        name: TOOL,
        input,
        purpose: Purpose::Work,
    })
}
