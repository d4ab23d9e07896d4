//! A process by pid and start time: a pid alone may have been reused.

use std::io;

use procfs::ProcError;
use procfs::process::{Process, Stat};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// One process of this machine since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessIdentity {
    /// The process id.
    pub pid: u32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/<pid>/stat`).
    pub start_ticks: u64,
}

impl ProcessIdentity {
    /// The process that has this pid now, or `None`.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn of(pid: u32) -> io::Result<Option<Self>> {
        Ok(read_stat(pid)?.as_ref().map(Self::from))
    }

    /// This process.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn of_this_process() -> io::Result<Self> {
        Self::of(std::process::id())?.ok_or_else(|| io::Error::other("this process is missing in /proc"))
    }

    /// Whether the process still runs. A zombie does not.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn is_alive(&self) -> io::Result<bool> {
        Ok(self.stat()?.is_some_and(|stat| is_alive(&stat)))
    }

    /// The name of its program, at most 15 bytes; `None` if the process is gone.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn name(&self) -> io::Result<Option<String>> {
        Ok(self.stat()?.map(|stat| stat.comm))
    }

    /// Sends a signal to exactly this process. Returns `false` if it is gone.
    ///
    /// # Errors
    /// The process belongs to another user, or `/proc` cannot be read.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return Ok(false);
        };
        let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => Some(descriptor),
            // Linux before 5.3 and some sandboxes: the check below is all the protection there is.
            Err(Errno::NOSYS) => None,
            Err(Errno::SRCH) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        // Checked after opening: from here on the descriptor refers to the same process, even if the pid is reused.
        if self.stat()?.is_none() {
            return Ok(false);
        }
        let sent = match descriptor {
            Some(descriptor) => pidfd_send_signal(&descriptor, signal),
            None => kill_process(pid, signal),
        };
        match sent {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn stat(&self) -> io::Result<Option<Stat>> {
        Ok(read_stat(self.pid)?.filter(|stat| Self::from(stat) == *self))
    }
}

impl From<&Stat> for ProcessIdentity {
    fn from(stat: &Stat) -> Self {
        Self {
            pid: stat.pid.unsigned_abs(),
            start_ticks: stat.starttime,
        }
    }
}

/// Neither a zombie nor being removed.
pub(crate) fn is_alive(stat: &Stat) -> bool {
    !matches!(stat.state, 'Z' | 'X' | 'x')
}

fn read_stat(pid: u32) -> io::Result<Option<Stat>> {
    let Ok(pid) = i32::try_from(pid) else {
        return Ok(None);
    };
    match Process::new(pid).and_then(|process| process.stat()) {
        Ok(stat) => Ok(Some(stat)),
        // `procfs` reports ESRCH, for a process that ends while it is read, as `NotFound` too.
        Err(ProcError::NotFound(_)) => Ok(None),
        Err(error) => Err(io_error(error)),
    }
}

pub(crate) fn io_error(error: ProcError) -> io::Error {
    match error {
        ProcError::Io(error, _path) => error,
        ProcError::PermissionDenied(_) => io::Error::new(io::ErrorKind::PermissionDenied, error),
        ProcError::NotFound(_) => io::Error::new(io::ErrorKind::NotFound, error),
        ProcError::Incomplete(_) | ProcError::Other(_) | ProcError::InternalError(_) => {
            io::Error::other(error)
        }
    }
}
