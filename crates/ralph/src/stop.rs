//! Being asked to stop: by a signal, or because nobody reads our output any more.

use std::cell::Cell;
use std::convert::Infallible;
use std::{fmt, fs, io};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Why the run is to end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// A signal, by its name.
    Signal(&'static str),
    /// Standard output is closed.
    OutputClosed,
}

/// What stopped us, as in "interrupted by …".
impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(name) => f.write_str(name),
            Self::OutputClosed => f.write_str("the end of whoever read the output"),
        }
    }
}

/// A request to stop, seen by everything that waits.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    requested: CancellationToken,
    urgent: CancellationToken,
    reason: Cell<Option<StopReason>>,
}

impl Stop {
    /// Asks to stop. A second request is urgent: nothing is waited for any more.
    pub(crate) fn request(&self, reason: StopReason) {
        if self.requested.is_cancelled() {
            self.urgent.cancel();
        } else {
            self.reason.set(Some(reason));
            self.requested.cancel();
        }
    }

    /// Why a stop was requested, if one was.
    pub(crate) fn reason(&self) -> Option<StopReason> {
        self.reason.get()
    }

    /// Waits until a stop is requested.
    pub(crate) async fn requested(&self) {
        self.requested.cancelled().await;
    }

    /// Waits until a stop is requested for the second time.
    pub(crate) async fn urgent(&self) {
        self.urgent.cancelled().await;
    }
}

/// The signals that ask for an end.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// Not where it was ignored when we started: that is what `nohup` is for.
    hang_up: Option<Signal>,
}

impl Signals {
    /// Takes the signals over from their default, which would end this process and leave the agent.
    ///
    /// # Errors
    /// When a handler cannot be installed.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: if ignores_hang_up() {
                None
            } else {
                Some(signal(SignalKind::hangup())?)
            },
        })
    }

    /// Passes each signal on as a request to stop, for as long as it is polled.
    pub(crate) async fn pass_on_to(mut self, stop: &Stop) -> Infallible {
        loop {
            let name = tokio::select! {
                _ = self.interrupt.recv() => "SIGINT",
                _ = self.terminate.recv() => "SIGTERM",
                _ = received(self.hang_up.as_mut()) => "SIGHUP",
            };
            stop.request(StopReason::Signal(name));
        }
    }
}

async fn received(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Whether SIGHUP is ignored, read from proc_pid_status(5): the lowest bit of `SigIgn` is signal 1.
fn ignores_hang_up() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}
