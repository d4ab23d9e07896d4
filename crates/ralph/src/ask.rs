//! Asks a fresh agent a question about the directory, which it does not change.

use anyhow::{Context as _, bail};
use process_tree::Subreaper;
use ralph_contract::IterationStats;

use crate::agent::AgentOptions;
use crate::harness::Purpose;
use crate::report::Reporter;
use crate::stop::Stop;
use crate::stream::Signal;
use crate::supervise::Agent;
use crate::verdict::Verdict;

/// How the answer to a question went.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The result if the harness reports one, otherwise all of its output.
    pub(crate) text: anyhow::Result<String>,
    pub(crate) stats: IterationStats,
}

/// Asks one agent. Of printed output, at most `limit` bytes are kept.
///
/// # Errors
/// The agent cannot be started, or its processes cannot be terminated.
pub(crate) async fn ask(
    options: &AgentOptions,
    purpose: Purpose,
    prompt: &str,
    limit: usize,
    subreaper: &Subreaper,
    reporter: &mut Reporter<'_>,
    stop: &Stop,
) -> anyhow::Result<Answer> {
    let mut printed = String::new();
    let mut sink = |signal: Signal| {
        reporter.signal(&signal);
        if let Signal::Text(text) = signal
            && printed.len() < limit
        {
            printed.push_str(&text);
            printed.push('\n');
        }
    };
    let mut agent = Agent::start(options, purpose, &[])?;
    agent.run(prompt, stop, &mut sink).await;
    let outcome = agent
        .finish(subreaper, stop, &mut sink)
        .await
        .context("terminating the processes of the agent")?;
    let stats = reporter.finish(&outcome) + outcome.usage;
    if let Some(reason) = stop.reason() {
        bail!("interrupted by {reason}");
    }
    let text = match Verdict::of(&outcome, options) {
        Verdict::Worked => Ok(outcome.result.map_or(printed, |result| result.text)),
        Verdict::Failed(error) => Err(anyhow::anyhow!(error)),
        Verdict::Provider(trouble) => {
            reporter.trouble(&trouble);
            Err(anyhow::anyhow!(trouble.summary()))
        }
    };
    Ok(Answer { text, stats })
}
