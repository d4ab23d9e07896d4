//! `ralph spec`: a SPEC.md from a description, written by an agent and checked against the conventions.

use anyhow::{Context as _, anyhow, bail};
use ralph_contract::{
    Event, ExitCode, MAX_SPEC_BYTES, SpecDocument, SpecGenerationComplete, SpecGenerationFailed,
};

use crate::agent::AgentOptions;
use crate::harness::Purpose;
use crate::output::Output;
use crate::process::descendants::Reaper;
use crate::prompt::SpecPrompt;
use crate::spec_file::SpecFile;
use crate::stop::Stop;
use crate::stream::Signal;
use crate::supervise::Agent;
use crate::verdict::Verdict;

/// How often an agent is asked before its last answer is taken as it is.
const ROUNDS: u32 = 3;

/// What `ralph spec` was asked to do.
pub(crate) struct SpecOptions {
    pub(crate) agent: AgentOptions,
    /// Where to write it.
    pub(crate) spec: String,
    pub(crate) description: String,
}

/// A checklist that was written.
struct Written {
    document: SpecDocument,
    violations: Vec<String>,
}

/// Writes the checklist and reports how it went.
pub(crate) async fn spec(options: &SpecOptions, output: &Output<'_>, stop: &Stop) -> ExitCode {
    output.event(&Event::SpecGenerationStarted);
    match Box::pin(generate(options, output, stop)).await {
        Ok(Written { document, violations }) => {
            let validation_passed = violations.is_empty();
            output.event(&Event::SpecGenerationComplete(SpecGenerationComplete {
                spec_path: options.spec.clone(),
                task_count: u32::try_from(document.tasks().len()).unwrap_or(u32::MAX),
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
    let reaper = Reaper::new().context("becoming the reaper of every descendant")?;
    let file = SpecFile::locate(&options.agent.directory, Some(&options.spec));
    if file.exists() {
        bail!(
            "{} is there already: move it away, or name another file with `--spec`",
            file.shown()
        );
    }
    options.agent.check_version().await?;
    let mut refused: Option<(String, Vec<String>)> = None;
    for _ in 0..ROUNDS {
        let prompt = SpecPrompt {
            description: &options.description,
            refused: refused
                .as_ref()
                .map(|(answer, reasons)| (answer.as_str(), reasons.as_slice())),
        };
        let answer = ask(&options.agent, &prompt.render(), &reaper, output, stop).await?;
        let document = SpecDocument::parse(checklist_in(&answer));
        let reasons = reasons_against(&document);
        if reasons.is_empty() {
            file.write(&document)?;
            return Ok(Written {
                document,
                violations: reasons,
            });
        }
        output.remark(&format!("refused for {} reasons", reasons.len()));
        refused = Some((document.as_str().to_owned(), reasons));
    }
    let (text, violations) = refused.ok_or_else(|| anyhow!("the agent was not asked"))?;
    let document = SpecDocument::parse(text);
    // What can be worked on is worth keeping: a person mends it faster than they write a new one.
    if let Err(error) = document.check_submittable() {
        return Err(anyhow!(error).context(format!("no answer of {ROUNDS} was a checklist")));
    }
    file.write(&document)?;
    Ok(Written { document, violations })
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

/// Asks a fresh agent and returns its last words: the result where the harness reports one, else all it printed.
async fn ask(
    options: &AgentOptions,
    prompt: &str,
    reaper: &Reaper,
    output: &Output<'_>,
    stop: &Stop,
) -> anyhow::Result<String> {
    let mut printed = String::new();
    let mut sink = |signal: Signal| match signal {
        Signal::Tool(tool) => output.tool(&tool),
        Signal::Text(text) => {
            // Twice what is accepted is enough to tell that it is too much.
            if printed.len() < 2 * MAX_SPEC_BYTES {
                printed.push_str(&text);
                printed.push('\n');
            }
        }
        Signal::ProviderRetry { .. } | Signal::Unknown { .. } | Signal::Misfit { .. } | Signal::Result(_) => {
        }
    };
    let mut agent = Agent::start(options, Purpose::Answer)?;
    agent.run(prompt, stop, &mut sink).await;
    let outcome = agent.finish(reaper, stop, &mut sink).await;
    if stop.reason().is_some() {
        bail!("interrupted");
    }
    match Verdict::of(&outcome, options) {
        Verdict::Worked => Ok(outcome.result.map_or(printed, |result| result.text)),
        Verdict::Provider(trouble) => {
            output.warn(trouble.warning_kind(), trouble.message.clone());
            bail!(trouble.summary())
        }
        Verdict::Failed(error) => bail!(error),
    }
}

/// The checklist in an answer: without the words and the fence that models put around it all the same.
fn checklist_in(answer: &str) -> String {
    let from_title = answer.lines().skip_while(|line| !line.starts_with("# "));
    let mut lines: Vec<&str> = from_title.collect();
    if lines.is_empty() {
        // No title: the answer is refused for that, in the words that the agent used.
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
    fn words_and_fences_around_a_checklist_are_left_out() {
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
