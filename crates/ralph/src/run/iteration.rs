//! One iteration: one fresh agent, watched while it works, and nothing of it left afterwards.

use std::collections::HashSet;
use std::time::Duration;

use ralph_contract::{
    Event, Iteration, IterationDone, IterationPhase, IterationStats, Task, ToolKind, WarningKind, files,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use crate::agent::AgentOptions;
use crate::harness::Purpose;
use crate::output::Output;
use crate::process::descendants::Reaper;
use crate::prompt::IterationPrompt;
use crate::spec_file::read_text;
use crate::stop::Stop;
use crate::stream::{Signal, shortened};
use crate::supervise::{Agent, Outcome};
use crate::verdict::Verdict;

/// Largest `.ai/learnings.md` that is read, and how much of it goes into a prompt, in bytes.
const LARGEST_LEARNINGS: usize = 1024 * 1024;
const LEARNINGS_IN_PROMPT: usize = 32 * 1024;
/// Events that do not fit are reported one by one up to this number in each iteration.
const REPORTED_MISFITS: u32 = 10;

/// What an iteration came to.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) verdict: Verdict,
    pub(crate) has_progress: bool,
    /// Whether the agent printed anything at all.
    pub(crate) printed: bool,
}

/// Runs iterations: what all of them share.
pub(crate) struct Iterations<'a> {
    pub(crate) options: &'a AgentOptions,
    pub(crate) watch_period: Duration,
    pub(crate) reaper: &'a Reaper,
    pub(crate) output: &'a Output<'a>,
    pub(crate) stop: &'a Stop,
    /// Kinds of events that were reported as unknown.
    pub(crate) unknown_kinds: HashSet<String>,
}

impl Iterations<'_> {
    /// Runs one agent on one task.
    pub(crate) async fn run(
        &mut self,
        n: u32,
        task: &Task,
        progress: &mut Progress,
    ) -> anyhow::Result<Report> {
        let started = Instant::now();
        self.phase(n, IterationPhase::Starting);
        self.output.task(n, task);
        let prompt = IterationPrompt {
            spec_path: progress.spec_file().shown(),
            task,
            learnings: self.learnings().as_deref(),
        }
        .render();
        let (outcome, mut stats) = self.agent(n, &prompt, progress).await?;
        stats += outcome.usage;
        self.warn_of(&outcome);
        let has_progress = progress.settle(self.output).await?;
        self.output.event(&Event::IterationDone(IterationDone {
            n,
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            stats,
        }));
        Ok(Report {
            verdict: Verdict::of(&outcome, self.options),
            has_progress,
            printed: outcome.printed,
        })
    }

    async fn agent(
        &mut self,
        n: u32,
        prompt: &str,
        progress: &mut Progress,
    ) -> anyhow::Result<(Outcome, IterationStats)> {
        let (options, output, stop) = (self.options, self.output, self.stop);
        let mut stats = IterationStats::default();
        let mut misfits = 0;
        let mut agent = Agent::start(options, Purpose::Work)?;
        self.phase(n, IterationPhase::Running);
        let unknown_kinds = &mut self.unknown_kinds;
        let mut sink = |signal: Signal| match signal {
            Signal::Tool(tool) => {
                count(&mut stats, tool.kind);
                output.tool(&tool);
            }
            Signal::Text(text) => output.remark(&text),
            Signal::ProviderRetry { trouble, .. } => {
                if let Some(trouble) = trouble {
                    output.remark(&trouble.summary());
                }
            }
            Signal::Unknown { kind } => {
                if unknown_kinds.insert(kind.clone()) {
                    let kind = shortened(&kind, 100);
                    output.warn(
                        WarningKind::UnknownHarnessEvent,
                        format!(
                            "the harness sent an event of a kind that this build does not know: `{kind}`"
                        ),
                    );
                }
            }
            Signal::Misfit { kind, error, start } => {
                misfits += 1;
                if misfits <= REPORTED_MISFITS {
                    output.warn(
                        WarningKind::HarnessMisfit,
                        format!("the harness sent a {kind} that does not fit ({error}): {start}"),
                    );
                }
            }
            Signal::Result(_) => {}
        };
        // The watch starts programs of its own. It has ended before everything that is left is ended.
        let done = CancellationToken::new();
        let run = async {
            agent.run(prompt, stop, &mut sink).await;
            done.cancel();
        };
        tokio::join!(run, progress.watch(self.watch_period, &done, output));
        self.output.event(&Event::Iteration(Iteration {
            n,
            phase: IterationPhase::Finishing,
        }));
        let outcome = agent.finish(self.reaper, stop, &mut sink).await;
        if misfits > REPORTED_MISFITS {
            let more = misfits - REPORTED_MISFITS;
            output.warn(
                WarningKind::HarnessMisfit,
                format!("{more} more events did not fit"),
            );
        }
        Ok((outcome, stats))
    }

    fn warn_of(&self, outcome: &Outcome) {
        if outcome.cut_lines > 0 {
            self.output.warn(
                WarningKind::OutputTruncated,
                format!(
                    "{} of the agent's output were too long; {} bytes of them were dropped",
                    if outcome.cut_lines == 1 {
                        "1 line".to_owned()
                    } else {
                        format!("{} lines", outcome.cut_lines)
                    },
                    outcome.dropped_bytes
                ),
            );
        }
        let leftovers = &outcome.leftovers;
        if !leftovers.names.is_empty() {
            let count = leftovers.names.len();
            let what = if count == 1 {
                "1 process".to_owned()
            } else {
                format!("{count} processes")
            };
            let mut message = format!(
                "{what} outlived the agent and had to be ended: {}",
                leftovers.names.join(", ")
            );
            if !leftovers.unkillable.is_empty() {
                message += &format!("; these did not end: {}", leftovers.unkillable.join(", "));
            }
            self.output.warn(WarningKind::LeftoverProcesses, message);
        }
    }

    fn learnings(&self) -> Option<String> {
        match read_text(&self.options.directory.join(files::LEARNINGS), LARGEST_LEARNINGS) {
            Ok(learnings) => learnings
                .filter(|text| !text.trim().is_empty())
                .map(|text| shortened(&text, LEARNINGS_IN_PROMPT)),
            Err(error) => {
                let error = anyhow::Error::new(error);
                self.output.warn(
                    WarningKind::Other("learnings_ignored".to_owned()),
                    format!("what earlier runs learned is left out: {error:#}"),
                );
                None
            }
        }
    }

    fn phase(&self, n: u32, phase: IterationPhase) {
        self.output.event(&Event::Iteration(Iteration { n, phase }));
    }
}

fn count(stats: &mut IterationStats, kind: ToolKind) {
    stats.tools += 1;
    match kind {
        ToolKind::Read => stats.reads += 1,
        ToolKind::Write => stats.writes += 1,
        ToolKind::Bash => stats.commands += 1,
    }
}
