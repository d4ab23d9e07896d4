//! One run of an agent, from its start to the exit of its last descendant.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use process_tree::{Signal as UnixSignal, Subreaper};
use ralph_contract::IterationStats;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStderr, ChildStdout};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::agent::{AgentOptions, Limits};
use crate::descendants::{self, LeftRunning};
use crate::harness::Purpose;
use crate::lines::{LineSplitter, OutputLine};
use crate::process::{SpawnError, feed, signal_group, spawn};
use crate::provider::Trouble;
use crate::repetition::Repetition;
use crate::stop::Stop;
use crate::stream::{AgentResult, Decoder, Signal};

/// A harness that waits longer than this before its next request is terminated: the caller can wait at less cost.
const LONGEST_RETRY_DELAY: Duration = Duration::from_secs(60);
/// How long pipes are read after every process that could write to them has exited.
const DRAIN: Duration = Duration::from_secs(2);
/// How long output that arrived just before the idle timeout may take to be read.
const LAST_READ: Duration = Duration::from_millis(100);
/// How much of the end of standard error is kept, in bytes.
const KEPT_STDERR: usize = 8 * 1024;

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The agent exited by itself.
    Exited,
    /// It was terminated after the idle timeout.
    Idle,
    /// It was terminated after it closed its standard output without a result.
    OutputClosed,
    /// It was terminated because it did not exit after its result.
    LingeredAfterResult,
    /// It was terminated because it would have waited too long for the model provider.
    ProviderUnavailable,
    /// It was terminated because it repeated itself.
    Repeating,
    /// It was terminated because a stop was requested.
    Stopped,
}

/// The outcome of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) end: End,
    /// `None` if the agent survived SIGKILL.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) result: Option<AgentResult>,
    /// The provider problem that the harness was waiting for when it was terminated.
    pub(crate) trouble: Option<Trouble>,
    /// Tokens and cost, from the result or as far as they were reported.
    pub(crate) usage: IterationStats,
    /// Whether it printed anything at all.
    pub(crate) printed: bool,
    pub(crate) repetition: Repetition,
    /// The end of its standard error.
    pub(crate) stderr: String,
    /// Number of lines that were longer than the limit, and of bytes that were dropped from them.
    pub(crate) cut_lines: u64,
    pub(crate) dropped_bytes: u64,
    pub(crate) left_running: LeftRunning,
}

/// How far the termination of an agent has come. Each stage has a deadline after which the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Working,
    /// It has reported its result, or can no longer report one.
    Grace,
    Interrupted,
    Terminated,
    Killed,
}

/// A running agent.
pub(crate) struct Agent {
    child: Child,
    stdout: Pipe<ChildStdout>,
    stderr: Pipe<ChildStderr>,
    lines: LineSplitter,
    decoder: Box<dyn Decoder>,
    /// Whether closed output without a result means that no result will come.
    reports_result: bool,
    limits: Limits,
    stage: Stage,
    deadline: Instant,
    outcome: Outcome,
    stderr_tail: Vec<u8>,
}

/// A pipe until its other end is closed.
struct Pipe<R> {
    reader: Option<R>,
    buffer: Box<[u8]>,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(reader: Option<R>) -> Self {
        Self {
            reader,
            buffer: vec![0; 64 * 1024].into(),
        }
    }

    fn is_open(&self) -> bool {
        self.reader.is_some()
    }

    /// The next bytes; empty once the pipe is closed. Cancel-safe.
    async fn read(&mut self) -> &[u8] {
        let length = match &mut self.reader {
            // An error means the same as the end of the pipe: no more output will come.
            Some(reader) => reader.read(&mut self.buffer).await.unwrap_or(0),
            None => 0,
        };
        if length == 0 {
            self.reader = None;
        }
        &self.buffer[..length]
    }
}

impl Agent {
    /// Starts an agent. [`Agent::run`] writes to its standard input.
    /// `variables` are added to the environment of all agents.
    pub(crate) fn start(
        options: &AgentOptions,
        purpose: Purpose,
        variables: &[(&str, &str)],
    ) -> Result<Self, SpawnError> {
        let AgentOptions {
            harness,
            environment,
            directory,
            limits,
            ..
        } = options;
        let variables = variables.iter();
        let environment = variables.fold(environment.clone(), |environment, (name, value)| {
            environment.with_default(name, value)
        });
        let mut child = spawn(&harness.command(purpose), &environment, directory, Stdio::piped())?;
        Ok(Self {
            stdout: Pipe::new(child.stdout.take()),
            stderr: Pipe::new(child.stderr.take()),
            child,
            lines: LineSplitter::new(LineSplitter::DEFAULT_LIMIT),
            decoder: harness.decoder(directory.clone()),
            reports_result: harness.reports_result(),
            limits: *limits,
            stage: Stage::Working,
            deadline: Instant::now() + limits.idle,
            outcome: Outcome {
                end: End::Exited,
                status: None,
                result: None,
                trouble: None,
                usage: IterationStats::default(),
                printed: false,
                repetition: Repetition::default(),
                stderr: String::new(),
                cut_lines: 0,
                dropped_bytes: 0,
                left_running: LeftRunning::default(),
            },
            stderr_tail: Vec::new(),
        })
    }

    /// Its pid, as long as it is not reaped.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Runs the agent until it exits or was killed, and passes its signals on to `sink`.
    ///
    /// Its descendants may still run afterwards and hold its pipes open: [`Agent::finish`] must follow.
    pub(crate) async fn run(&mut self, prompt: &str, stop: &Stop, sink: &mut dyn FnMut(Signal)) {
        let stdin = self.child.stdin.take();
        let mut feeding = Box::pin(feed(stdin, prompt));
        let mut is_fed = false;
        let mut is_stopping = false;
        loop {
            // In this order, so that the deadline applies to an agent that never stops printing.
            tokio::select! {
                biased;
                () = stop.urgent(), if self.stage < Stage::Killed => self.enter(Stage::Killed),
                () = stop.requested(), if !is_stopping => {
                    is_stopping = true;
                    self.end_because(End::Stopped, Stage::Terminated);
                }
                () = sleep_until(self.deadline) => {
                    if self.stage == Stage::Killed {
                        return;
                    }
                    self.pass_deadline(sink).await;
                }
                status = self.child.wait() => {
                    self.outcome.status = status.ok();
                    if self.stage == Stage::Grace {
                        // It got no signal.
                        self.outcome.end = End::Exited;
                    }
                    return;
                }
                () = &mut feeding, if !is_fed => is_fed = true,
                bytes = self.stdout.read(), if self.stdout.is_open() => {
                    let is_closed = bytes.is_empty();
                    Self::take(&mut self.lines, bytes, &mut *self.decoder, &mut self.outcome, sink);
                    self.after_output(is_closed);
                }
                bytes = self.stderr.read(), if self.stderr.is_open() => {
                    let is_closed = bytes.is_empty();
                    Self::keep_tail(&mut self.stderr_tail, bytes);
                    if !is_closed {
                        self.note_activity();
                    }
                }
            }
        }
    }

    /// Terminates every descendant, reads the rest of the output, and returns the outcome.
    ///
    /// # Errors
    /// The process table cannot be read.
    pub(crate) async fn finish(
        mut self,
        subreaper: &Subreaper,
        stop: &Stop,
        sink: &mut dyn FnMut(Signal),
    ) -> io::Result<Outcome> {
        self.outcome.left_running = tokio::select! {
            left_running = descendants::terminate(subreaper, self.limits.signal_grace) => left_running?,
            () = stop.urgent() => {
                descendants::kill(subreaper).await?;
                LeftRunning::default()
            }
        };
        // Bounded, because a process that survived SIGKILL may hold a pipe open.
        let deadline = Instant::now() + DRAIN;
        while self.stdout.is_open() || self.stderr.is_open() {
            let read = async {
                tokio::select! {
                    bytes = self.stdout.read(), if self.stdout.is_open() => {
                        Self::take(&mut self.lines, bytes, &mut *self.decoder, &mut self.outcome, sink);
                    }
                    bytes = self.stderr.read(), if self.stderr.is_open() => {
                        Self::keep_tail(&mut self.stderr_tail, bytes);
                    }
                }
            };
            if timeout_at(deadline, read).await.is_err() {
                break;
            }
        }
        if let Some(line) = self.lines.finish() {
            // A process that was terminated may have been stopped in the middle of a line.
            let is_whole = self.outcome.end == End::Exited;
            let mut sink = |signal: Signal| {
                if is_whole || !matches!(signal, Signal::Misfit { .. }) {
                    sink(signal);
                }
            };
            Self::take_line(&line, &mut *self.decoder, &mut self.outcome, &mut sink);
        }
        let reported = self.outcome.result.as_ref().map(|result| result.usage);
        self.outcome.usage = reported.unwrap_or_else(|| self.decoder.usage_so_far());
        self.outcome.stderr = String::from_utf8_lossy(&self.stderr_tail).trim().to_owned();
        Ok(self.outcome)
    }

    fn take(
        lines: &mut LineSplitter,
        bytes: &[u8],
        decoder: &mut dyn Decoder,
        outcome: &mut Outcome,
        sink: &mut dyn FnMut(Signal),
    ) {
        outcome.printed |= !bytes.is_empty();
        lines.push(bytes, |line| Self::take_line(&line, decoder, outcome, sink));
    }

    fn take_line(
        line: &OutputLine,
        decoder: &mut dyn Decoder,
        outcome: &mut Outcome,
        sink: &mut dyn FnMut(Signal),
    ) {
        if line.dropped_bytes > 0 {
            // A truncated event would only be reported as a misfit.
            outcome.cut_lines += 1;
            outcome.dropped_bytes += line.dropped_bytes;
            return;
        }
        for signal in decoder.decode(&line.text) {
            outcome.repetition.observe(&signal);
            match &signal {
                Signal::Result(result) => outcome.result = Some(result.clone()),
                Signal::ProviderRetry { trouble, delay } if *delay > LONGEST_RETRY_DELAY => {
                    outcome.trouble.clone_from(trouble);
                }
                Signal::ProviderRetry { .. }
                | Signal::Tool(_)
                | Signal::ToolResult(_)
                | Signal::Message(_)
                | Signal::Text(_)
                | Signal::Unknown { .. }
                | Signal::Misfit { .. } => {}
            }
            sink(signal);
        }
    }

    /// Decides how the run continues after a read from standard output.
    fn after_output(&mut self, is_closed: bool) {
        if self.outcome.result.is_some() {
            self.end_because(End::LingeredAfterResult, Stage::Grace);
        } else if self.outcome.trouble.is_some() {
            self.end_because(End::ProviderUnavailable, Stage::Interrupted);
        } else if self.outcome.repetition.found().is_some() {
            self.end_because(End::Repeating, Stage::Interrupted);
        } else if is_closed && self.reports_result {
            self.end_because(End::OutputClosed, Stage::Grace);
        } else if !is_closed {
            self.note_activity();
        }
    }

    fn note_activity(&mut self) {
        if self.stage == Stage::Working {
            self.deadline = Instant::now() + self.limits.idle;
        }
    }

    async fn pass_deadline(&mut self, sink: &mut dyn FnMut(Signal)) {
        match self.stage {
            Stage::Working => {
                // This process may have been suspended (SIGSTOP) while output was waiting in the pipe.
                let was_silent = tokio::select! {
                    biased;
                    bytes = self.stdout.read(), if self.stdout.is_open() => {
                        let is_closed = bytes.is_empty();
                        Self::take(&mut self.lines, bytes, &mut *self.decoder, &mut self.outcome, sink);
                        self.after_output(is_closed);
                        is_closed && self.stage == Stage::Working
                    }
                    () = sleep(LAST_READ) => true,
                };
                if was_silent {
                    self.end_because(End::Idle, Stage::Interrupted);
                }
            }
            Stage::Grace => self.enter(Stage::Interrupted),
            Stage::Interrupted => self.enter(Stage::Terminated),
            Stage::Terminated | Stage::Killed => self.enter(Stage::Killed),
        }
    }

    /// Starts the termination of the agent at `stage`, unless it has reached that stage already.
    fn end_because(&mut self, end: End, stage: Stage) {
        if self.stage < stage {
            if self.stage == Stage::Working || end == End::Stopped {
                self.outcome.end = end;
            }
            self.enter(stage);
        }
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        let (signal, patience) = match stage {
            Stage::Working => (None, self.limits.idle),
            Stage::Grace => (None, self.limits.result_grace),
            Stage::Interrupted => (Some(UnixSignal::INT), self.limits.signal_grace),
            Stage::Terminated => (Some(UnixSignal::TERM), self.limits.signal_grace),
            Stage::Killed => (Some(UnixSignal::KILL), self.limits.signal_grace),
        };
        if let Some(signal) = signal {
            signal_group(&self.child, signal);
        }
        self.deadline = Instant::now() + patience;
    }

    fn keep_tail(tail: &mut Vec<u8>, bytes: &[u8]) {
        tail.extend_from_slice(bytes);
        let excess = tail.len().saturating_sub(KEPT_STDERR);
        tail.drain(..excess);
    }
}
