//! Generates one spec: requests it from the model, checks it, and has it corrected.

use std::time::Duration;

use ralph_contract::SpecDocument;
use whim_core::FailureCause;
use whim_core::protocol::work::WorkItem;
use whim_core::source::TextHash;
use whim_service::chain::chain;

use super::prompt;
use crate::anthropic::{Anthropic, Message, ModelError};
use crate::text;

/// Model requests per spec.
const MAX_ROUNDS: usize = 3;
/// Of one request, before the item fails.
const MAX_REJECTIONS: usize = 3;
const MAX_VIOLATIONS_SHOWN: usize = 20;

#[derive(Debug)]
pub(super) struct SpecFailure {
    /// For a person. Posted on the issue if it is permanent.
    pub(super) reason: String,
    pub(super) retryable: bool,
    /// Set if the model API would fail for every other caller too.
    pub(super) cause: Option<FailureCause>,
    /// From the model API's `Retry-After`.
    pub(super) retry_after: Option<Duration>,
}

impl SpecFailure {
    /// A failure that a retry would repeat.
    pub(super) fn permanent(reason: String) -> Self {
        Self {
            reason,
            retryable: false,
            cause: None,
            retry_after: None,
        }
    }
}

/// A spec without violations of the conventions.
pub(super) async fn spec(model: &Anthropic, item: &WorkItem) -> Result<String, SpecFailure> {
    check_approval(item)?;
    let mut conversation = vec![Message::user(prompt::request(item))];
    let mut violations = Vec::new();
    for round in 1..=MAX_ROUNDS {
        let answer = answer(model, &conversation).await.map_err(failure)?;
        let spec = with_title(checklist(&answer), item);
        violations = violations_of(&spec);
        if violations.is_empty() {
            return Ok(spec);
        }
        tracing::info!(work_item = %item.id, round, violations = violations.len(), "the spec violates conventions");
        conversation.push(Message::assistant(answer));
        conversation.push(Message::user(prompt::correction(&violations)));
    }
    let violations: Vec<String> = violations
        .iter()
        .map(|violation| format!("- {violation}"))
        .collect();
    Err(SpecFailure::permanent(format!(
        "No valid checklist could be written from this text in {MAX_ROUNDS} rounds. The last one breaks these rules:\n\n{}\n\n\
         A more precise description of the change usually helps.",
        violations.join("\n")
    )))
}

/// A text that the model API rejects is sent again, because some of its filters read the answer, and answers differ.
async fn answer(model: &Anthropic, conversation: &[Message]) -> Result<String, ModelError> {
    let mut attempts = 1;
    loop {
        match model.answer(prompt::SYSTEM, conversation).await {
            Err(ModelError::Rejected(_)) if attempts < MAX_REJECTIONS => attempts += 1,
            answered => return answered,
        }
    }
}

/// The approved text is the one that runs.
fn check_approval(item: &WorkItem) -> Result<(), SpecFailure> {
    let Some(approval) = &item.metadata.approval else {
        return Ok(());
    };
    if item.description.as_deref().map(TextHash::of).as_ref() == Some(&approval.text_sha256) {
        return Ok(());
    }
    let reason = "The text of this run is not the one that was approved. Request another run, so that it is approved again.";
    Err(SpecFailure::permanent(reason.to_owned()))
}

fn failure(error: ModelError) -> SpecFailure {
    if error.operator_action_required() {
        tracing::error!(error = %chain(&error), "no spec can be written until an operator fixes this");
    }
    SpecFailure {
        reason: format!("The specification could not be written: {}.", chain(&error)),
        retryable: !error.is_permanent(),
        cause: error.shared_cause(),
        retry_after: error.retry_after(),
    }
}

/// Adds the issue's title if the checklist has none: it becomes the title of the pull request.
fn with_title(spec: String, item: &WorkItem) -> String {
    if SpecDocument::parse(spec.as_str()).title().is_some() {
        return spec;
    }
    let description = || item.description.as_deref()?.lines().next();
    let title = item.metadata.issue_title.as_deref().or_else(description);
    let title = text::strip_invisible(title.unwrap_or_default());
    let words: Vec<&str> = title.trim_start_matches('#').split_whitespace().collect();
    if words.is_empty() {
        return spec;
    }
    format!("# {}\n\n{spec}", words.join(" "))
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

/// Extracts the checklist from an answer: models tend to put it in a code fence, after a sentence.
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
    fn a_fence_around_the_checklist_is_removed() {
        for answer in [
            SPEC.to_owned(),
            format!("```markdown\n{SPEC}```"),
            format!("```\n{SPEC}```\n"),
            format!("Here is the checklist:\n\n```md\n{SPEC}```\nLet me know if it fits."),
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
    fn a_checklist_without_a_title_gets_that_of_the_issue() {
        let untitled = "## Tasks\n\n- [ ] Add a greeting\n";
        let item = |description: &str, title: Option<&str>| -> WorkItem {
            serde_json::from_value(serde_json::json!({
                "id": whim_core::WorkItemId::new(), "repo": "octocat/hello", "branch": "whim/1", "status": "generating",
                "priority": "medium", "source": "github", "retries": 0, "maxRetries": 3, "leaseEpoch": 0, "run": 1,
                "iteration": 0, "tasksTotal": 0, "tasksDone": 0, "description": description,
                "metadata": {"issueTitle": title},
                "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
            }))
            .unwrap()
        };
        for (description, title, expected) in [
            ("Other words", Some("Say hello"), "# Say hello\n\n"),
            ("Say hello\n\nPlease.", None, "# Say hello\n\n"),
            ("x", Some("# Say\n\u{200B}hello"), "# Say hello\n\n"),
            ("", None, ""),
        ] {
            let spec = with_title(untitled.to_owned(), &item(description, title));
            assert_eq!(spec, format!("{expected}{untitled}"));
        }
        assert_eq!(with_title(SPEC.to_owned(), &item("x", Some("y"))), SPEC);
    }

    #[test]
    fn an_answer_without_a_checklist_breaks_a_rule() {
        assert!(!violations_of(&checklist("I cannot do that.")).is_empty());
        assert_eq!(violations_of(SPEC), [] as [String; 0]);
    }
}
