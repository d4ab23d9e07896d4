//! One spec: asked for, checked, corrected.

use ralph_contract::SpecDocument;
use whim_core::protocol::work::WorkItem;
use whim_service::chain::chain;

use super::prompt;
use crate::anthropic::{Anthropic, Message, ModelError};

/// How often the model is asked at the most: each round costs the owner money.
const ROUNDS: usize = 3;
const MAX_VIOLATIONS_SHOWN: usize = 20;

/// Why there is no spec.
#[derive(Debug)]
pub(super) struct SpecFailure {
    /// For a person; shown on the issue when it is final.
    pub(super) reason: String,
    /// Whether asking again later may help.
    pub(super) retryable: bool,
}

/// A spec for the item that keeps every convention.
pub(super) async fn spec(model: &Anthropic, item: &WorkItem) -> Result<String, SpecFailure> {
    let mut conversation = vec![Message::user(prompt::request(item))];
    let mut violations = Vec::new();
    for round in 1..=ROUNDS {
        let answer = model
            .answer(prompt::SYSTEM, &conversation)
            .await
            .map_err(|error| failure(&error))?;
        let spec = checklist(&answer);
        violations = violations_of(&spec);
        if violations.is_empty() {
            return Ok(spec);
        }
        tracing::info!(work_item = %item.id, round, violations = violations.len(), "the spec breaks conventions");
        conversation.push(Message::assistant(answer));
        conversation.push(Message::user(prompt::correction(&violations)));
    }
    Err(SpecFailure {
        reason: format!(
            "No usable checklist could be written from this text in {ROUNDS} rounds. The last one broke these rules:\n\n{}\n\n\
             Saying more precisely what is wanted usually helps.",
            violations
                .iter()
                .map(|violation| format!("- {violation}"))
                .collect::<Vec<_>>()
                .join("\n")
        ),
        retryable: false,
    })
}

fn failure(error: &ModelError) -> SpecFailure {
    SpecFailure {
        reason: format!("The specification could not be written: {}.", chain(error)),
        retryable: !error.is_the_requests_fault(),
    }
}

fn violations_of(spec: &str) -> Vec<String> {
    let document = SpecDocument::parse(spec);
    let mut violations: Vec<String> = document.violations().iter().map(ToString::to_string).collect();
    if let Err(error) = document.check_submittable()
        && violations.is_empty()
    {
        violations.push(error.to_string());
    }
    violations.truncate(MAX_VIOLATIONS_SHOWN);
    violations
}

/// The checklist in an answer: models like to put a fence around it, and a sentence before that.
fn checklist(answer: &str) -> String {
    let answer = answer.replace("\r\n", "\n");
    let lines: Vec<&str> = answer.trim().lines().collect();
    let is_fence = |line: &&str| line.trim_start().starts_with("```");
    let fenced = lines.iter().position(is_fence).and_then(|first| {
        let opens = matches!(
            lines[first].trim().trim_start_matches('`'),
            "" | "markdown" | "md"
        );
        let last = lines.iter().rposition(is_fence)?;
        let before_is_prose = !lines[..first]
            .iter()
            .any(|line| line.trim_start().starts_with(['#', '-']));
        (opens && last > first && before_is_prose).then(|| lines[first + 1..last].join("\n"))
    });
    let mut checklist = fenced.unwrap_or_else(|| lines.join("\n"));
    checklist.push('\n');
    checklist
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str =
        "# Greeting\n\n## Goal\nA greeting.\n\n## Tasks\n- [ ] Add a greeting\n  - It says hello\n";

    #[test]
    fn a_fence_around_the_checklist_is_taken_off() {
        for answer in [
            SPEC.to_owned(),
            format!("```markdown\n{SPEC}```"),
            format!("```\n{SPEC}```\n"),
            format!("Here is the checklist:\n\n```md\n{SPEC}```\nTell me if it fits."),
            SPEC.replace('\n', "\r\n"),
        ] {
            assert_eq!(checklist(&answer), SPEC, "{answer:?}");
        }
    }

    #[test]
    fn a_fence_inside_the_checklist_stays_and_is_a_violation() {
        let answer = "# Greeting\n\n## Tasks\n- [ ] Add a greeting\n\n```rust\nfn main() {}\n```\n";
        assert_eq!(checklist(answer), answer);
        assert!(!violations_of(answer).is_empty());
    }

    #[test]
    fn an_answer_without_a_checklist_breaks_a_rule() {
        assert!(!violations_of(&checklist("I cannot do that.")).is_empty());
        assert_eq!(violations_of(SPEC), [] as [String; 0]);
    }
}
