//! One iteration: one fresh agent, monitored while it works, and terminated with all of its processes.

use std::time::Duration;

use anyhow::Context as _;
use process_tree::Subreaper;
use ralph_contract::files::RunFiles;
use ralph_contract::{Event, Iteration, IterationDone, IterationPhase, Task, WarningKind};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::progress::{Progress, Settled};
use super::rejection::Rejection;
use crate::agent::AgentOptions;
use crate::harness::Purpose;
use crate::output::Output;
use crate::prompt::{IterationPrompt, with_instructions};
use crate::report::Reporter;
use crate::spec_file::read_text;
use crate::stop::Stop;
use crate::supervise::{Agent, Outcome};
use crate::text::shortened;
use crate::verdict::Verdict;

/// Largest file of learnings that is read, and how much of it goes into a prompt, in bytes.
const LARGEST_LEARNINGS: usize = 1024 * 1024;
const LEARNINGS_IN_PROMPT: usize = 32 * 1024;

/// Largest file of notes that is read, in bytes.
const LARGEST_NOTES: usize = 1024 * 1024;

/// The number of the agent's task, for hooks of the repository.
const TASK_VARIABLE: &str = "RALPH_TASK";

/// The outcome of an iteration.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) verdict: Verdict,
    pub(crate) has_progress: bool,
    /// Why its ticks do not count.
    pub(crate) rejection: Option<Rejection>,
    /// Whether the agent printed anything.
    pub(crate) printed: bool,
}

/// Runs iterations.
pub(crate) struct Iterations<'a> {
    pub(crate) options: &'a AgentOptions,
    pub(crate) files: &'a RunFiles,
    /// The repository's instructions for agents.
    pub(crate) instructions: Option<&'a str>,
    /// Interval at which SPEC.md and git are read while the agent works.
    pub(crate) watch_period: Duration,
    pub(crate) subreaper: &'a Subreaper,
    pub(crate) reporter: Reporter<'a>,
    pub(crate) output: &'a Output<'a>,
    pub(crate) stop: &'a Stop,
}

impl Iterations<'_> {
    pub(crate) async fn run(
        &mut self,
        n: u32,
        task: &Task,
        correction: Option<&str>,
        progress: &mut Progress,
    ) -> anyhow::Result<Report> {
        let started = Instant::now();
        // Before the event, which says what the prompt has.
        let notes = self.notes();
        self.output.event(&Event::Iteration(Iteration {
            n,
            phase: IterationPhase::Starting,
            notes_bytes: notes.as_ref().map_or(0, |notes| notes.len() as u64),
        }));
        self.output.task(n, task);
        let prompt = IterationPrompt {
            spec_path: progress.spec_file().shown(),
            task,
            files: self.files,
            correction,
            notes: notes.as_deref().map(str::trim),
            learnings: self.learnings().as_deref(),
        }
        .render();
        let prompt = match self.instructions {
            Some(instructions) => with_instructions(&prompt, instructions),
            None => prompt,
        };
        let outcome = self.agent(n, task, &prompt, progress).await?;
        let stats = self.reporter.finish(&outcome) + outcome.usage;
        let Settled {
            has_progress,
            rejection,
        } = progress.settle(self.output).await?;
        self.output.event(&Event::IterationDone(IterationDone {
            n,
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            stats,
        }));
        Ok(Report {
            verdict: Verdict::of(&outcome, self.options),
            has_progress,
            rejection,
            printed: outcome.printed,
        })
    }

    async fn agent(
        &mut self,
        n: u32,
        task: &Task,
        prompt: &str,
        progress: &mut Progress,
    ) -> anyhow::Result<Outcome> {
        // From 1, as people count.
        let number = (task.index + 1).to_string();
        let mut agent = Agent::start(self.options, Purpose::Work, &[(TASK_VARIABLE, number.as_str())])?;
        self.output.event(&phase(n, IterationPhase::Running));
        let (output, stop, watch_period) = (self.output, self.stop, self.watch_period);
        let agent_pid = agent.pid();
        let mut sink = |signal| self.reporter.signal(&signal);
        // The watch starts git: it must be over before the remaining processes are terminated.
        let done = CancellationToken::new();
        let run = async {
            agent.run(prompt, stop, &mut sink).await;
            done.cancel();
        };
        let subreaper = self.subreaper;
        let watch = progress.watch(watch_period, &done, output, || {
            // Orphans that cannot be reaped now are reaped after the agent's exit.
            subreaper.reap_orphans(agent_pid).ok();
        });
        tokio::join!(run, watch);
        output.event(&phase(n, IterationPhase::Finishing));
        let outcome = agent.finish(self.subreaper, stop, &mut sink).await;
        outcome.context("terminating the processes of the agent")
    }

    fn learnings(&self) -> Option<String> {
        let path = self.options.directory.join(self.files.learnings());
        match read_text(&path, LARGEST_LEARNINGS) {
            Ok(learnings) => learnings
                .filter(|text| !text.trim().is_empty())
                .map(|text| shortened(&text, LEARNINGS_IN_PROMPT)),
            Err(error) => {
                let error = anyhow::Error::new(error);
                self.output.warn(
                    WarningKind::LearningsIgnored,
                    format!("the learnings of earlier runs are left out: {error:#}"),
                );
                None
            }
        }
    }

    /// The whole file, unless it is blank.
    fn notes(&self) -> Option<String> {
        let path = self.options.directory.join(self.files.notes());
        match read_text(&path, LARGEST_NOTES) {
            Ok(notes) => notes.filter(|text| !text.trim().is_empty()),
            Err(error) => {
                let error = anyhow::Error::new(error);
                self.output.warn(
                    WarningKind::NotesIgnored,
                    format!("the notes of the people who requested the work are left out: {error:#}"),
                );
                None
            }
        }
    }
}

fn phase(n: u32, phase: IterationPhase) -> Event {
    Event::Iteration(Iteration {
        n,
        phase,
        notes_bytes: 0,
    })
}
