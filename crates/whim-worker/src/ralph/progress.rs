//! What `ralph` said so far, and what it means.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use ralph_contract::{
    Event, Line, SpecDocument, Stuck, TaskComplete, Warning, WarningKind, parse_line_and_json,
};
use whim_core::FailureCause;

use crate::memory::{self, Memory};
use crate::report::Reporter;
use crate::text::shorten;

/// How many lines that are no events are kept, for the reason of a crash.
const KEPT_LINES: usize = 20;
const KEPT_LINE_CHARACTERS: usize = 300;

/// What a line asks the worker to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consequence {
    /// Nothing.
    None,
    /// To bring to GitHub what was committed and ticked.
    Publish,
}

/// The model provider's trouble, after which the agent did nothing any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProviderTrouble {
    /// What the attempt failed for, if it fails for this.
    pub(super) cause: FailureCause,
    /// That cause in words.
    pub(super) what: &'static str,
    pub(super) message: String,
    pub(super) resets_at: Option<DateTime<Utc>>,
}

/// What `ralph` said so far.
#[derive(Debug)]
pub(super) struct Progress {
    /// The checklist with the ticks that `ralph` told of: those of an iteration that is under way may be without their
    /// commit.
    spec: SpecDocument,
    stuck: Option<Stuck>,
    error: Option<String>,
    trouble: Option<ProviderTrouble>,
    iterations: u32,
    memory: Memory,
    /// How many processes had been killed for want of memory when the iteration began.
    kills_before: u64,
    last_lines: VecDeque<String>,
}

impl Progress {
    pub(super) fn new(spec: SpecDocument, memory: Memory) -> Self {
        let kills_before = memory.kills();
        Self {
            spec,
            stuck: None,
            error: None,
            trouble: None,
            iterations: 0,
            memory,
            kills_before,
            last_lines: VecDeque::new(),
        }
    }

    pub(super) fn spec(&self) -> &SpecDocument {
        &self.spec
    }

    /// How `ralph` says that it is stuck.
    pub(super) fn stuck(&self) -> Option<&Stuck> {
        self.stuck.as_ref()
    }

    /// How `ralph` says that it failed.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    pub(super) fn trouble(&self) -> Option<&ProviderTrouble> {
        self.trouble.as_ref()
    }

    pub(super) fn iterations(&self) -> u32 {
        self.iterations
    }

    /// How many processes were killed for want of memory since the last iteration began.
    pub(super) fn kills(&self) -> u64 {
        self.memory.kills().saturating_sub(self.kills_before)
    }

    /// The last lines that were no events: what a program says that is not `ralph`, or that fell over.
    pub(super) fn last_lines(&self) -> String {
        let lines: Vec<&str> = self.last_lines.iter().map(String::as_str).collect();
        lines.join("\n")
    }

    /// Keeps a line that is no event.
    pub(super) fn keep_line(&mut self, line: &str) {
        let line = line.trim_end();
        if line.is_empty() {
            return;
        }
        if self.last_lines.len() >= KEPT_LINES {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(shorten(line, KEPT_LINE_CHARACTERS));
    }

    /// Takes note of a line of standard output, passes it on, and says what to do about it.
    pub(super) fn read(&mut self, line: &str, reporter: &Reporter) -> Consequence {
        let (line, json) = parse_line_and_json(line);
        let pass_on = |reporter: &Reporter| {
            if let Some(json) = json {
                reporter.ralph_event(json);
            }
        };
        match line {
            Line::Event(event) => {
                pass_on(reporter);
                self.apply(event, reporter)
            }
            Line::Unknown { event, .. } => {
                tracing::debug!(
                    event,
                    "ralph sent an event of a kind that this version does not know"
                );
                pass_on(reporter);
                Consequence::None
            }
            Line::Misfit { event, error, .. } => {
                reporter.notice(&format!(
                    "ralph sent an event `{event}` that does not fit its contract: {error}"
                ));
                Consequence::None
            }
            Line::Text(text) => {
                self.keep_line(&text);
                Consequence::None
            }
        }
    }

    fn apply(&mut self, event: Event, reporter: &Reporter) -> Consequence {
        match event {
            Event::Iteration(iteration) => {
                if iteration.n > self.iterations {
                    self.kills_before = self.memory.kills();
                }
                self.iterations = self.iterations.max(iteration.n);
                reporter.iteration(iteration.n);
            }
            Event::IterationDone(done) => {
                reporter.iteration_done(done.stats);
                let kills = self.kills();
                if kills > 0 {
                    reporter.notice(&format!("In iteration {} {}", done.n, memory::told(kills)));
                }
            }
            // Whoever calls a tool was answered by the model.
            Event::Tool(_) => self.trouble = None,
            Event::Commit(_) => {
                self.trouble = None;
                return Consequence::Publish;
            }
            Event::TaskComplete(task) => {
                self.trouble = None;
                self.tick(&task);
                return Consequence::Publish;
            }
            Event::Warning(warning) => self.warn(warning, reporter),
            Event::Stuck(stuck) => self.stuck = Some(stuck),
            Event::Failed(failed) => self.error = Some(failed.error),
            Event::Started(_)
            | Event::Complete(_)
            | Event::SpecGenerationStarted
            | Event::SpecGenerationComplete(_)
            | Event::SpecGenerationFailed(_) => {}
        }
        Consequence::None
    }

    fn tick(&mut self, task: &TaskComplete) {
        let index = usize::try_from(task.index).unwrap_or(usize::MAX);
        let is_ours = self
            .spec
            .tasks()
            .get(index)
            .is_some_and(|ours| ours.text == task.text);
        if !is_ours {
            tracing::warn!(index, "ralph completed a task that is not in the checklist");
            return;
        }
        if let Ok(ticked) = self.spec.tick(index) {
            self.spec = ticked;
        }
    }

    fn warn(&mut self, warning: Warning, reporter: &Reporter) {
        let Warning {
            kind,
            message,
            files: _,
            resets_at,
        } = warning;
        let trouble = match &kind {
            WarningKind::ProviderLimited => Some((FailureCause::ModelLimited, "the model API limits Whim")),
            WarningKind::ProviderUnavailable => {
                Some((FailureCause::ModelUnavailable, "the model API is not available"))
            }
            WarningKind::ProviderRefused => Some((
                FailureCause::ModelRefused,
                "the model API refuses Whim's credentials",
            )),
            WarningKind::Other(_)
            | WarningKind::TaskRestored
            | WarningKind::SpecRestored
            | WarningKind::LeftoverProcesses
            | WarningKind::OutputTruncated
            | WarningKind::UnknownHarnessEvent
            | WarningKind::HarnessMisfit
            | WarningKind::UncommittedChanges => None,
        };
        tracing::warn!(
            "ralph warns of {}: {}",
            reporter.redact(kind.as_str()),
            reporter.redact(&message)
        );
        if let Some((cause, what)) = trouble {
            self.trouble = Some(ProviderTrouble {
                cause,
                what,
                resets_at: resets_at
                    .and_then(|time| Some(DateTime::parse_from_rfc3339(&time).ok()?.to_utc())),
                message,
            });
        }
    }
}
