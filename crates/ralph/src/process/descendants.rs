//! Every descendant of this process, found in `/proc` and ended.
//!
//! A process group is not enough: Claude Code gives each of its shells a session of its own, and SIGKILL to its group
//! leaves them running. A subreaper inherits every orphan below it, so that walking down from ourselves finds all.

use std::collections::{HashMap, HashSet};
use std::time::Duration;
use std::{fs, io};

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, kill_process, pidfd_open,
    pidfd_send_signal, set_child_subreaper, waitid, waitpid,
};
use tokio::time::{Instant, sleep};

/// How long a process that is about to end anyway is waited for before it counts as left over.
const SETTLE: Duration = Duration::from_millis(250);
/// How often the process table is read while waiting.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long SIGKILL is repeated. Longer than that survives only what sits in the kernel.
const KILL_FOR: Duration = Duration::from_secs(5);

/// A process, at the moment its `/proc/<pid>/stat` was read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    pid: Pid,
    parent: Option<Pid>,
    /// In clock ticks since boot; with the pid it names one process for good.
    start_time: u64,
    is_zombie: bool,
    name: String,
}

impl Process {
    fn read(pid: Pid) -> Option<Self> {
        // Not `read_to_string`: the name of a program may be any bytes.
        let stat = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        Self::parse(&String::from_utf8_lossy(&stat))
    }

    /// Reads the format of proc_pid_stat(5). The name stands in parentheses and may hold some itself.
    fn parse(stat: &str) -> Option<Self> {
        let (pid, rest) = stat.split_once(" (")?;
        let (name, fields) = rest.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        Some(Self {
            pid: Pid::from_raw(pid.parse().ok()?)?,
            parent: Pid::from_raw(fields.get(1)?.parse().ok()?),
            start_time: fields.get(19)?.parse().ok()?,
            is_zombie: matches!(*fields.first()?, "Z" | "X"),
            name: name.to_owned(),
        })
    }

    fn identity(&self) -> (Pid, u64) {
        (self.pid, self.start_time)
    }

    /// Sends a signal to this process and to none that got its number since.
    fn signal(&self, signal: Signal) {
        let pidfd = match pidfd_open(self.pid, PidfdFlags::empty()) {
            Ok(pidfd) => Some(pidfd),
            // Kernels before 5.3 and some sandboxes: the check below is then all there is.
            Err(Errno::NOSYS) => None,
            Err(_) => return,
        };
        // The descriptor pins whichever process has the number now: look again whether it is still this one.
        if Self::read(self.pid).is_none_or(|now| now.identity() != self.identity()) {
            return;
        }
        // A failure means that it is gone, or is not ours to end; the next look tells which.
        let _sent = match pidfd {
            Some(pidfd) => pidfd_send_signal(pidfd, signal),
            None => kill_process(self.pid, signal),
        };
    }
}

/// What [`Reaper::end_all`] found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Leftovers {
    /// Names of the programs that were still running.
    pub(crate) names: Vec<String>,
    /// Of these, the ones that even SIGKILL did not end.
    pub(crate) unkillable: Vec<String>,
}

/// Inherits the orphans of everything below this process and ends them.
#[derive(Debug)]
pub(crate) struct Reaper {
    /// Children that were there before: an `exec ralph` in a shell inherits the shell's jobs, and they are not ours.
    strangers: HashSet<(Pid, u64)>,
}

impl Reaper {
    /// Makes this process a subreaper.
    ///
    /// # Errors
    /// When the kernel refuses (before Linux 3.4), or `/proc` cannot be read.
    pub(crate) fn new() -> io::Result<Self> {
        set_child_subreaper(Some(getpid()))?;
        let strangers = descendants(&HashSet::new())?;
        Ok(Self {
            strangers: strangers.iter().map(Process::identity).collect(),
        })
    }

    /// Ends every descendant and reaps it: SIGTERM first, SIGKILL for what is left after `patience`.
    ///
    /// Must be called while no child is being waited for elsewhere. Returns what had to be ended.
    pub(crate) async fn end_all(&self, patience: Duration) -> Leftovers {
        let outlived = self.wait_until_none(SETTLE, None).await;
        if outlived.is_empty() {
            return Leftovers::default();
        }
        let survivors = self.wait_until_none(patience, Some(Signal::TERM)).await;
        let unkillable = if survivors.is_empty() {
            survivors
        } else {
            self.wait_until_none(KILL_FOR, Some(Signal::KILL)).await
        };
        Leftovers {
            names: outlived,
            unkillable,
        }
    }

    /// Ends every descendant with SIGKILL at once.
    pub(crate) async fn kill_all(&self) {
        self.wait_until_none(KILL_FOR, Some(Signal::KILL)).await;
    }

    /// Reaps the orphans that have ended, for they would fill the process table in the course of a long run.
    ///
    /// Must be called while the only child that is waited for elsewhere is `ours`.
    pub(crate) fn reap_orphans(&self, ours: Option<Pid>) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // Cheap, and almost always the answer is no.
        if !matches!(waitid(WaitId::All, options), Ok(Some(_))) {
            return;
        }
        let dead = descendants(&self.strangers).unwrap_or_default();
        let dead = dead.iter().filter(|process| process.is_zombie);
        reap(dead.filter(|process| Some(process.pid) != ours));
    }

    /// Waits until no descendant lives or `patience` is over; returns the names of those that still do.
    ///
    /// `signal` goes once to each, SIGKILL at every look: a process may be forking faster than we read.
    async fn wait_until_none(&self, patience: Duration, signal: Option<Signal>) -> Vec<String> {
        let deadline = Instant::now() + patience;
        let mut signalled = HashSet::new();
        loop {
            let alive = self.reap_and_list();
            if alive.is_empty() && !self.may_have_missed_some() {
                return Vec::new();
            }
            if Instant::now() >= deadline {
                return alive.into_iter().map(|process| process.name).collect();
            }
            for process in &alive {
                if let Some(signal) = signal
                    && (signalled.insert(process.identity()) || signal == Signal::KILL)
                {
                    process.signal(signal);
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// The descendants that are alive; those of our own children that are dead are reaped.
    fn reap_and_list(&self) -> Vec<Process> {
        // `/proc` was there when we started; without it nothing can be found, and the caller's deadline ends the wait.
        let all = descendants(&self.strangers).unwrap_or_default();
        let (dead, alive): (Vec<_>, Vec<_>) = all.into_iter().partition(|process| process.is_zombie);
        reap(dead.iter());
        alive
    }

    /// Reading `/proc` is not atomic, so that a chain of short-lived parents can slip through. The kernel's answer to
    /// "have I any child?" is exact, and whoever has no child has no descendant.
    fn may_have_missed_some(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        self.strangers.is_empty() && !matches!(waitid(WaitId::All, options), Err(Errno::CHILD))
    }
}

/// Reaps those that are our children, each by its number and never "any child": somebody may be waiting for a child of
/// theirs. One that cannot be reaped yet (threads of it still run) is there at the next look.
fn reap<'p>(dead: impl Iterator<Item = &'p Process>) {
    let ourselves = Some(getpid());
    for process in dead.filter(|process| process.parent == ourselves) {
        let _status = waitpid(Some(process.pid), WaitOptions::NOHANG);
    }
}

/// The descendants of this process, without those in `excluded` and what is below them.
fn descendants(excluded: &HashSet<(Pid, u64)>) -> io::Result<Vec<Process>> {
    let mut by_parent: HashMap<Pid, Vec<Process>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        // Entries vanish while they are read, and most are no processes.
        let process = entry
            .ok()
            .and_then(|entry| entry.file_name().to_str()?.parse().ok())
            .and_then(Pid::from_raw)
            .and_then(Process::read);
        if let Some(process) = process
            && let Some(parent) = process.parent
            && !excluded.contains(&process.identity())
        {
            by_parent.entry(parent).or_default().push(process);
        }
    }
    let mut found = Vec::new();
    let mut parents = vec![getpid()];
    while let Some(parent) = parents.pop() {
        for child in by_parent.remove(&parent).unwrap_or_default() {
            parents.push(child.pid);
            found.push(child);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_may_hold_parentheses_and_spaces() {
        let stat = "4711 (a) S 1 (x) T 12 4711 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9876 0 0";
        let process = Process::parse(stat).unwrap();
        assert_eq!(process.name, "a) S 1 (x");
        assert_eq!(process.parent, Pid::from_raw(12));
        assert_eq!(process.start_time, 9876);
        assert!(!process.is_zombie);
    }

    #[test]
    fn nonsense_is_no_process() {
        assert_eq!(Process::parse(""), None);
        assert_eq!(Process::parse("1 (init"), None);
        assert_eq!(Process::parse("1 (init) S 0"), None);
    }

    #[test]
    fn this_process_is_found_with_its_parent() {
        let process = Process::read(getpid()).unwrap();
        assert_eq!(process.parent, rustix::process::getppid());
    }
}
