//! One iteration: one fresh agent, watched while it works, and nothing of it left afterwards.

use std::time::Duration;

use ralph_contract::{Event, Iteration, IterationDone, IterationPhase, Task, WarningKind, files};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use crate::agent::AgentOptions;
use crate::harness::Purpose;
use crate::output::Output;
use crate::process::descendants::Reaper;
use crate::prompt::IterationPrompt;
use crate::report::Reporter;
use crate::spec_file::read_text;
use crate::stop::Stop;
use crate::supervise::{Agent, Outcome};
use crate::text::shortened;
use crate::verdict::Verdict;

/// Largest `.ai/learnings.md` that is read, and how much of it goes into a prompt, in bytes.
const LARGEST_LEARNINGS: usize = 1024 * 1024;
const LEARNINGS_IN_PROMPT: usize = 32 * 1024;

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
    /// How often SPEC.md and git are looked at while the agent works.
    pub(crate) watch_period: Duration,
    pub(crate) reaper: &'a Reaper,
    pub(crate) reporter: Reporter<'a>,
    pub(crate) output: &'a Output<'a>,
    pub(crate) stop: &'a Stop,
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
        let outcome = self.agent(n, &prompt, progress).await?;
        let stats = self.reporter.finish(&outcome) + outcome.usage;
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

    async fn agent(&mut self, n: u32, prompt: &str, progress: &mut Progress) -> anyhow::Result<Outcome> {
        let mut agent = Agent::start(self.options, Purpose::Work)?;
        self.phase(n, IterationPhase::Running);
        let (output, stop, watch_period) = (self.output, self.stop, self.watch_period);
        let agent_pid = agent.pid();
        let mut sink = |signal| self.reporter.signal(&signal);
        // The watch starts programs of its own: it must be over before all that is left is ended.
        let done = CancellationToken::new();
        let run = async {
            agent.run(prompt, stop, &mut sink).await;
            done.cancel();
        };
        let reaper = self.reaper;
        let watch = progress.watch(watch_period, &done, output, || reaper.reap_orphans(agent_pid));
        tokio::join!(run, watch);
        output.event(&Event::Iteration(Iteration {
            n,
            phase: IterationPhase::Finishing,
        }));
        Ok(agent.finish(self.reaper, stop, &mut sink).await)
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
