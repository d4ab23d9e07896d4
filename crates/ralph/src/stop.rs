//! Requests to stop: by a signal, or because standard output was closed.

use std::cell::Cell;
use std::convert::Infallible;
use std::{fmt, io};

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Why a stop was requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// A signal, by its name.
    Signal(&'static str),
    OutputClosed,
}

/// Completes the sentence "interrupted by …".
impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(name) => f.write_str(name),
            Self::OutputClosed => f.write_str("the end of the program that read the output"),
        }
    }
}

/// A request to stop, shared by everything that waits.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    requested: CancellationToken,
    urgent: CancellationToken,
    reason: Cell<Option<StopReason>>,
}

impl Stop {
    /// Requests a stop. A second request is urgent: processes are killed without waiting for them.
    pub(crate) fn request(&self, reason: StopReason) {
        if self.requested.is_cancelled() {
            self.urgent.cancel();
        } else {
            self.reason.set(Some(reason));
            self.requested.cancel();
        }
    }

    pub(crate) fn reason(&self) -> Option<StopReason> {
        self.reason.get()
    }

    pub(crate) async fn requested(&self) {
        self.requested.cancelled().await;
    }

    /// Waits for a second request.
    pub(crate) async fn urgent(&self) {
        self.urgent.cancelled().await;
    }
}

/// SIGINT, SIGTERM and SIGHUP.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    /// `None` if it was ignored when this process started, as under `nohup`.
    hang_up: Option<unix::Signal>,
}

impl Signals {
    /// Replaces the default handlers, which would terminate this process and leave the agent running.
    ///
    /// # Errors
    /// A handler cannot be installed.
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

    /// Turns each signal into a request to stop, for as long as it is polled.
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

async fn received(signal: Option<&mut unix::Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

fn ignores_hang_up() -> bool {
    const HANG_UP: u64 = 1 << (Signal::HUP.as_raw() - 1);
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    status.is_ok_and(|status| status.sigign & HANG_UP != 0)
}
