//! One run of an agent, from its start to the death of its last descendant.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use ralph_contract::IterationStats;
use rustix::process::{Pid, Signal as UnixSignal};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStderr, ChildStdout};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::agent::AgentOptions;
use crate::harness::Purpose;
use crate::lines::{LineSplitter, OutputLine};
use crate::process::descendants::{Leftovers, Reaper};
use crate::process::{SpawnError, feed, pid_of, signal_group, spawn};
use crate::provider::Trouble;
use crate::stop::Stop;
use crate::stream::{AgentResult, Decoder, Signal};

/// A harness that waits longer than this before it asks the model again is ended: the caller can wait more cheaply.
const LONGEST_RETRY_DELAY: Duration = Duration::from_secs(60);
/// How long data that is in a pipe already may take to arrive, after everybody who could write to it is dead.
const DRAIN: Duration = Duration::from_secs(2);
/// How long output that arrived together with the end of the idle time may take to be seen.
const LAST_LOOK: Duration = Duration::from_millis(100);
/// How much of standard error is kept, in bytes: its end, because that is where errors stand.
const KEPT_STDERR: usize = 8 * 1024;

/// How long an agent may take for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// To print something; longer than any tool call may take.
    pub(crate) idle: Duration,
    /// To end by itself after its result.
    pub(crate) result_grace: Duration,
    /// To end after SIGINT, and again after SIGTERM.
    pub(crate) signal_grace: Duration,
}

/// What brought a run to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It ended by itself.
    Exited,
    /// It was ended after it had been silent for too long.
    Idle,
    /// It was ended after it had closed its standard output without a result.
    OutputClosed,
    /// It was ended some time after its result.
    LingeredAfterResult,
    /// It was ended because it would have waited too long for the model provider.
    ProviderAway,
    /// It was ended because we were asked to stop.
    Stopped,
}

/// What is known of a run after its end.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) end: End,
    /// `None` where it could not even be killed.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) result: Option<AgentResult>,
    /// The provider's trouble that the harness was waiting for, if it was ended then.
    pub(crate) trouble: Option<Trouble>,
    /// Tokens and cost, from the result or as far as they are known.
    pub(crate) usage: IterationStats,
    /// Whether it printed anything at all.
    pub(crate) printed: bool,
    /// The end of its standard error.
    pub(crate) stderr: String,
    /// Lines that were longer than the limit, and what was dropped of them.
    pub(crate) cut_lines: u64,
    pub(crate) dropped_bytes: u64,
    pub(crate) leftovers: Leftovers,
}

/// How far the ending of an agent has come. Each stage has a deadline, and passing it leads to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Working,
    /// It has given its result, or cannot give one any more.
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
    /// Whether the end of the output without a result means that there is nothing more to wait for.
    reports_result: bool,
    limits: Limits,
    stage: Stage,
    deadline: Instant,
    outcome: Outcome,
    stderr_tail: Vec<u8>,
}

/// A pipe, until its other side is closed.
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

    /// The next bytes; none once it is closed. Dropping the future loses nothing.
    async fn read(&mut self) -> &[u8] {
        let length = match &mut self.reader {
            // An error means the same as the end: nothing more will come.
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
    /// Starts an agent. What is to be written to its standard input is given to [`Agent::run`].
    pub(crate) fn start(options: &AgentOptions, purpose: Purpose) -> Result<Self, SpawnError> {
        let AgentOptions {
            harness,
            environment,
            directory,
            limits,
            ..
        } = options;
        let mut child = spawn(&harness.command(purpose), environment, directory, Stdio::piped())?;
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
                stderr: String::new(),
                cut_lines: 0,
                dropped_bytes: 0,
                leftovers: Leftovers::default(),
            },
            stderr_tail: Vec::new(),
        })
    }

    /// Its number, as long as it was not waited for.
    pub(crate) fn pid(&self) -> Option<Pid> {
        pid_of(&self.child)
    }

    /// Runs the agent until it has exited, whatever that takes, and passes its signals on to `sink`.
    ///
    /// Its descendants may still live then, and may hold its pipes open: [`Agent::finish`] must follow.
    pub(crate) async fn run(&mut self, prompt: &str, stop: &Stop, sink: &mut dyn FnMut(Signal)) {
        let stdin = self.child.stdin.take();
        let mut feeding = Box::pin(feed(stdin, prompt));
        let mut is_fed = false;
        let mut is_stopping = false;
        loop {
            // In this order, so that an agent which floods its output cannot outrun its deadline.
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
                        // It was not asked to.
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

    /// Ends every descendant, reads what is left in the pipes, and says how it all went.
    pub(crate) async fn finish(
        mut self,
        reaper: &Reaper,
        stop: &Stop,
        sink: &mut dyn FnMut(Signal),
    ) -> Outcome {
        let leftovers = tokio::select! {
            leftovers = reaper.end_all(self.limits.signal_grace.min(Duration::from_secs(1))) => leftovers,
            () = stop.urgent() => {
                reaper.kill_all().await;
                Leftovers::default()
            }
        };
        self.outcome.leftovers = leftovers;
        // Whoever could write is dead now. A process that got away with the pipe must not hold us up all the same.
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
            Self::take_line(&line, &mut *self.decoder, &mut self.outcome, sink);
        }
        let reported = self.outcome.result.as_ref().map(|result| result.usage);
        self.outcome.usage = reported.unwrap_or_else(|| self.decoder.usage_so_far());
        self.outcome.stderr = String::from_utf8_lossy(&self.stderr_tail).trim().to_owned();
        self.outcome
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
            // Half an event is none: it would only be reported as one that does not fit.
            outcome.cut_lines += 1;
            outcome.dropped_bytes += line.dropped_bytes;
            return;
        }
        for signal in decoder.decode(&line.text) {
            match &signal {
                Signal::Result(result) => outcome.result = Some(result.clone()),
                Signal::ProviderRetry { trouble, delay } if *delay > LONGEST_RETRY_DELAY => {
                    outcome.trouble.clone_from(trouble);
                }
                Signal::ProviderRetry { .. }
                | Signal::Tool(_)
                | Signal::Text(_)
                | Signal::Unknown { .. }
                | Signal::Misfit { .. } => {}
            }
            sink(signal);
        }
    }

    /// Decides, after something was read from standard output, how the run goes on.
    fn after_output(&mut self, is_closed: bool) {
        if self.outcome.result.is_some() {
            self.end_because(End::LingeredAfterResult, Stage::Grace);
        } else if self.outcome.trouble.is_some() {
            self.end_because(End::ProviderAway, Stage::Interrupted);
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
                // We may have been stopped ourselves, with the agent's output waiting all the time.
                let was_silent = tokio::select! {
                    biased;
                    bytes = self.stdout.read(), if self.stdout.is_open() => {
                        let is_closed = bytes.is_empty();
                        Self::take(&mut self.lines, bytes, &mut *self.decoder, &mut self.outcome, sink);
                        self.after_output(is_closed);
                        is_closed && self.stage == Stage::Working
                    }
                    () = sleep(LAST_LOOK) => true,
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

    /// Begins to end the agent, unless that has begun already and is as far.
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
