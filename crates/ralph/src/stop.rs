//! Being asked to stop: by a signal, or because nobody reads our output any more.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;

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
    hang_up: Signal,
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
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Passes each signal on as a request to stop, for as long as it is polled.
    pub(crate) async fn pass_on_to(mut self, stop: &Stop) -> Infallible {
        loop {
            let name = tokio::select! {
                _ = self.interrupt.recv() => "SIGINT",
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.hang_up.recv() => "SIGHUP",
            };
            stop.request(StopReason::Signal(name));
        }
    }
}
