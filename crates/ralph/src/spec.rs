//! `ralph spec`: has an agent write a SPEC.md from a description, and checks it against the conventions.

use anyhow::{Context as _, bail};
use process_tree::Subreaper;
use ralph_contract::{
    Event, ExitCode, MAX_SPEC_BYTES, SpecDocument, SpecGenerationComplete, SpecGenerationFailed,
};

use crate::agent::AgentOptions;
use crate::ask::ask;
use crate::harness::Purpose;
use crate::output::Output;
use crate::prompt::SpecPrompt;
use crate::report::Reporter;
use crate::spec_file::SpecFile;
use crate::stop::Stop;
use crate::text::as_u32;

/// Answers that are requested before the last one is used as it is.
const ROUNDS: u32 = 3;

pub(crate) struct SpecOptions {
    pub(crate) agent: AgentOptions,
    /// The path to write to.
    pub(crate) spec: String,
    pub(crate) description: String,
}

struct Written {
    document: SpecDocument,
    violations: Vec<String>,
}

/// Writes the checklist and reports the outcome.
pub(crate) async fn spec(options: &SpecOptions, output: &Output<'_>, stop: &Stop) -> ExitCode {
    output.event(&Event::SpecGenerationStarted);
    match Box::pin(generate(options, output, stop)).await {
        Ok(Written { document, violations }) => {
            let validation_passed = violations.is_empty();
            output.event(&Event::SpecGenerationComplete(SpecGenerationComplete {
                spec_path: options.spec.clone(),
                task_count: as_u32(document.tasks().len()),
                validation_passed,
                violations,
            }));
            if validation_passed {
                ExitCode::Complete
            } else {
                ExitCode::Error
            }
        }
        Err(error) => {
            output.event(&Event::SpecGenerationFailed(SpecGenerationFailed {
                error: format!("{error:#}"),
            }));
            ExitCode::Error
        }
    }
}

async fn generate(options: &SpecOptions, output: &Output<'_>, stop: &Stop) -> anyhow::Result<Written> {
    let subreaper = Subreaper::install().context("becoming a subreaper")?;
    let file = SpecFile::locate(&options.agent.directory, Some(&options.spec));
    if file.exists() {
        bail!(
            "{} exists already: move it away, or name another file with `--spec`",
            file.shown()
        );
    }
    options.agent.check_version().await?;
    let mut reporter = Reporter::new(output);
    let mut last: Option<Written> = None;
    for _ in 0..ROUNDS {
        let prompt = SpecPrompt {
            description: &options.description,
            refused: last
                .as_ref()
                .map(|last| (last.document.as_str(), last.violations.as_slice())),
        };
        let answer = ask(
            &options.agent,
            Purpose::Answer,
            &prompt.render(),
            // Enough to recognise an answer that is too large.
            2 * MAX_SPEC_BYTES,
            &subreaper,
            &mut reporter,
            stop,
        )
        .await?;
        let document = SpecDocument::parse(checklist_in(&answer.text?));
        let violations = reasons_against(&document);
        let is_good = violations.is_empty();
        if !is_good {
            output.remark(&format!("refused: {}", violations.join("; ")));
        }
        last = Some(Written { document, violations });
        if is_good {
            break;
        }
    }
    let last = last.context("asking the agent")?;
    // A checklist with violations is kept: correcting it is less work than writing a new one.
    last.document
        .check_submittable()
        .with_context(|| format!("none of {ROUNDS} answers was a checklist"))?;
    file.write(&last.document)?;
    Ok(last)
}

fn reasons_against(document: &SpecDocument) -> Vec<String> {
    let mut reasons: Vec<_> = document.violations().iter().map(ToString::to_string).collect();
    if reasons.is_empty()
        && let Err(error) = document.check_submittable()
    {
        reasons.push(error.to_string());
    }
    reasons
}

/// The checklist in an answer, without the text and the fence that models put around it in spite of the prompt.
fn checklist_in(answer: &str) -> String {
    let from_title = answer.lines().skip_while(|line| !line.starts_with("# "));
    let mut lines: Vec<&str> = from_title.collect();
    if lines.is_empty() {
        // Without a title, the whole answer is refused for that reason.
        return answer.trim().to_owned() + "\n";
    }
    // The fence that was opened before the title is closed somewhere after it.
    let opening = answer
        .lines()
        .take_while(|line| !line.starts_with("# "))
        .filter(|line| is_fence(line));
    if opening.count() % 2 == 1
        && let Some(closing) = lines.iter().rposition(|line| is_fence(line))
    {
        lines.truncate(closing);
    }
    lines.join("\n").trim_end().to_owned() + "\n"
}

fn is_fence(line: &str) -> bool {
    line.trim_start().starts_with("```")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_fences_around_a_checklist_are_left_out() {
        let checklist = "# Title\n\n- [ ] Task\n";
        for answer in [
            "# Title\n\n- [ ] Task",
            "Here it is:\n\n# Title\n\n- [ ] Task\n\n",
            "```markdown\n# Title\n\n- [ ] Task\n```\n\nShall I go on?",
        ] {
            assert_eq!(checklist_in(answer), checklist);
        }
    }

    #[test]
    fn a_fence_that_belongs_to_the_checklist_stays() {
        let answer = "# Title\n\n- [ ] Task\n\n## Example\n\n```\nGET /\n```\n";
        assert_eq!(checklist_in(answer), answer);
    }
}
