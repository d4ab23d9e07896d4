//! Which process exactly: a pid alone may have been given to another one since.

use std::io;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use super::table::{Stat, read_stat};

/// One process of this machine since it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessIdentity {
    /// The process id.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did (field 22 of `/proc/<pid>/stat`).
    pub start_ticks: u64,
}

impl ProcessIdentity {
    /// The process that has this pid now; `None` when there is none.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn of(pid: u32) -> io::Result<Option<Self>> {
        Ok(read_stat(pid)?.map(|stat| stat.identity))
    }

    /// This process.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn of_this_process() -> io::Result<Self> {
        Self::of(std::process::id())?.ok_or_else(|| io::Error::other("this process is missing in /proc"))
    }

    /// Whether the process still runs. One that ended and waits for its parent to notice does not.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn is_alive(&self) -> io::Result<bool> {
        Ok(self.stat()?.is_some_and(|stat| stat.is_alive()))
    }

    /// Sends a signal to exactly this process; `false` when it is gone.
    ///
    /// # Errors
    /// The process is somebody else's, or `/proc` cannot be read.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return Ok(false);
        };
        let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => descriptor,
            Err(rustix::io::Errno::SRCH) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        // Checked after opening: from here on the descriptor means the same process, whatever happens to the pid.
        if self.stat()?.is_none() {
            return Ok(false);
        }
        match pidfd_send_signal(&descriptor, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn stat(&self) -> io::Result<Option<Stat>> {
        Ok(read_stat(self.pid)?.filter(|stat| stat.identity == *self))
    }
}
