//! The state of a run, as reported by `ralph`'s events.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use ralph_contract::{
    Event, Iteration, IterationDone, Line, SpecDocument, Stuck, TaskComplete, TaskReopened, Warning,
    WarningKind, parse_line_and_json,
};
use serde_json::{Map, Value};
use whim_core::FailureCause;

use crate::cgroup::{ControlGroup, LimitHits};
use crate::report::Reporter;
use crate::text::shorten;

/// Number of the last lines that are no events, kept for the reason of a crash.
const MAX_KEPT_LINES: usize = 20;
const MAX_LINE_CHARACTERS: usize = 300;

/// What the worker must do after a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consequence {
    None,
    /// Push what was committed and ticked.
    Publish,
    /// The same, and keep it: an iteration ended.
    PublishIteration,
}

/// A failure of the model API that was not followed by any activity of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ModelApiError {
    pub(super) cause: FailureCause,
    pub(super) summary: &'static str,
    pub(super) message: String,
    pub(super) resets_at: Option<DateTime<Utc>>,
}

#[derive(Debug)]
pub(super) struct Progress {
    /// With the ticks reported by events. In the checklist file, the ticks of a running iteration may have no commit.
    spec: SpecDocument,
    stuck: Option<Stuck>,
    error: Option<String>,
    model_api_error: Option<ModelApiError>,
    /// Of this attempt: the earlier runs and this one.
    iterations: u32,
    /// Of earlier runs of `ralph` in this attempt, which counts from 1 in each.
    earlier_iterations: u32,
    group: ControlGroup,
    /// Read when the iteration started.
    hits_before: LimitHits,
    last_lines: VecDeque<String>,
}

impl Progress {
    pub(super) fn new(spec: SpecDocument, group: ControlGroup, earlier_iterations: u32) -> Self {
        let hits_before = group.limit_hits();
        Self {
            spec,
            stuck: None,
            error: None,
            model_api_error: None,
            iterations: earlier_iterations,
            earlier_iterations,
            group,
            hits_before,
            last_lines: VecDeque::new(),
        }
    }

    pub(super) fn spec(&self) -> &SpecDocument {
        &self.spec
    }

    pub(super) fn stuck(&self) -> Option<&Stuck> {
        self.stuck.as_ref()
    }

    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    pub(super) fn model_api_error(&self) -> Option<&ModelApiError> {
        self.model_api_error.as_ref()
    }

    pub(super) fn iterations(&self) -> u32 {
        self.iterations
    }

    /// The limits of the container that were reached since the last iteration started.
    pub(super) fn limit_hits(&self) -> LimitHits {
        self.group.limit_hits().since(self.hits_before)
    }

    /// The last lines that were no events, such as a panic message.
    pub(super) fn last_lines(&self) -> String {
        let lines: Vec<&str> = self.last_lines.iter().map(String::as_str).collect();
        lines.join("\n")
    }

    pub(super) fn keep_line(&mut self, line: &str) {
        let line = line.trim_end();
        if line.is_empty() {
            return;
        }
        if self.last_lines.len() >= MAX_KEPT_LINES {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(shorten(line, MAX_LINE_CHARACTERS));
    }

    /// Applies and reports a line of standard output.
    pub(super) fn apply_line(&mut self, line: &str, reporter: &Reporter) -> Consequence {
        let (line, json) = parse_line_and_json(line);
        let mut json = json.unwrap_or_default();
        match line {
            Line::Event(mut event) => {
                self.number_in_attempt(&mut event, &mut json);
                reporter.ralph_event(&event, json);
                self.apply(event, reporter)
            }
            Line::Unknown { event, .. } => {
                tracing::debug!(event, "ralph sent an event of an unknown kind");
                reporter.unknown_ralph_event(json);
                Consequence::None
            }
            Line::Misfit { event, error, .. } => {
                reporter.notice(&format!("ralph sent an invalid event `{event}`: {error}"));
                Consequence::None
            }
            Line::Text(text) => {
                self.keep_line(&text);
                Consequence::None
            }
        }
    }

    /// Changes the number of an iteration to that in the attempt.
    fn number_in_attempt(&self, event: &mut Event, json: &mut Map<String, Value>) {
        if let Event::Iteration(Iteration { n, .. }) | Event::IterationDone(IterationDone { n, .. }) = event {
            *n = n.saturating_add(self.earlier_iterations);
            json.insert("n".to_owned(), (*n).into());
        }
    }

    fn apply(&mut self, event: Event, reporter: &Reporter) -> Consequence {
        match event {
            Event::Iteration(iteration) => {
                let n = iteration.n;
                if n > self.iterations {
                    self.hits_before = self.group.limit_hits();
                }
                self.iterations = self.iterations.max(n);
                reporter.iteration(n);
                reporter.notes_in_prompt(iteration.notes_bytes);
            }
            Event::IterationDone(done) => {
                reporter.iteration_done(done.stats);
                if let Some(limit) = self.limit_hits().describe() {
                    let n = done.n;
                    reporter.notice(&format!("In iteration {n} {limit}"));
                }
                return Consequence::PublishIteration;
            }
            // A tool call proves that the model API answered.
            Event::Tool(_) => self.model_api_error = None,
            Event::Commit(_) => {
                self.model_api_error = None;
                return Consequence::Publish;
            }
            Event::TaskComplete(task) => {
                self.model_api_error = None;
                self.tick(&task);
                return Consequence::Publish;
            }
            Event::TaskReopened(task) => self.reopen(&task),
            Event::Warning(warning) => self.warn(warning, reporter),
            Event::Stuck(stuck) => self.stuck = Some(stuck),
            Event::Failed(failed) => self.error = Some(failed.error),
            Event::Started(_)
            | Event::Message(_)
            | Event::ToolResult(_)
            | Event::Complete(_)
            | Event::SpecGenerationStarted
            | Event::SpecGenerationComplete(_)
            | Event::SpecGenerationFailed(_)
            | Event::ReviewComplete(_)
            | Event::ReviewFailed(_) => {}
        }
        Consequence::None
    }

    /// Opens a task again.
    fn reopen(&mut self, task: &TaskReopened) {
        let index = usize::try_from(task.index).unwrap_or(usize::MAX);
        self.spec = self.spec.with_open([index]);
    }

    fn tick(&mut self, task: &TaskComplete) {
        let tasks = self.spec.tasks();
        let has_text = |known: &&ralph_contract::Task| known.text == task.text;
        // By its text if the index is another one: a build of ralph may count from 1.
        let known = usize::try_from(task.index)
            .ok()
            .and_then(|index| tasks.get(index))
            .filter(has_text)
            .or_else(|| tasks.iter().filter(|known| !known.done).find(has_text));
        let Some(index) = known.map(|known| known.index) else {
            tracing::warn!(
                index = task.index,
                "ralph ticked a task that is not in the checklist"
            );
            return;
        };
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
        let failure = match &kind {
            WarningKind::ProviderLimited => Some((
                FailureCause::ModelLimited,
                "the model API limits the rate of requests",
            )),
            WarningKind::ProviderUnavailable => {
                Some((FailureCause::ModelUnavailable, "the model API is not available"))
            }
            WarningKind::ProviderRefused => Some((
                FailureCause::ModelRefused,
                "the model API rejected the credentials or the model",
            )),
            WarningKind::Other(_)
            | WarningKind::IterationFailed
            | WarningKind::LearningsIgnored
            | WarningKind::NotesIgnored
            | WarningKind::TaskDiscarded
            | WarningKind::TaskRestored
            | WarningKind::SpecRestored
            | WarningKind::LeftoverProcesses
            | WarningKind::OutputTruncated
            | WarningKind::ContentOmitted
            | WarningKind::Repetition
            | WarningKind::ToolDenied
            | WarningKind::UnknownHarnessEvent
            | WarningKind::HarnessMisfit
            | WarningKind::UncommittedChanges
            | WarningKind::CommitsMissing => None,
        };
        tracing::warn!(
            "warning of ralph: {}: {}",
            reporter.redact(kind.as_str()),
            reporter.redact(&message)
        );
        if let Some((cause, summary)) = failure {
            self.model_api_error = Some(ModelApiError {
                cause,
                summary,
                resets_at: resets_at
                    .and_then(|time| Some(DateTime::parse_from_rfc3339(&time).ok()?.to_utc())),
                message,
            });
        }
    }
}
