//! One reading of the process table. It takes a few milliseconds and does not block.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;

use procfs::ProcError;
use procfs::process::{Process, Stat, all_processes};
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::identity::{ProcessIdentity, io_error, is_alive};

/// One row of the process table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) identity: ProcessIdentity,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) session: u32,
    pub(crate) is_alive: bool,
    pub(crate) is_zombie: bool,
}

impl From<&Stat> for Row {
    fn from(stat: &Stat) -> Self {
        // Kernel threads have the group 0 or -1, which no process of ours has.
        let positive = |id: i32| u32::try_from(id).unwrap_or(0);
        Self {
            identity: stat.into(),
            parent: positive(stat.ppid),
            group: positive(stat.pgrp),
            session: positive(stat.session),
            is_alive: is_alive(stat),
            is_zombie: stat.state == 'Z',
        }
    }
}

/// The processes that this one can see, without those that ended while the table was read.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
}

impl Table {
    pub(crate) fn read() -> io::Result<Self> {
        let mut rows = Vec::new();
        for process in all_processes().map_err(io_error)? {
            match process.and_then(|process| process.stat()) {
                Ok(stat) => rows.push(Row::from(&stat)),
                // It ended while it was read, or it belongs to a user whose processes are hidden (`hidepid`).
                Err(ProcError::NotFound(_) | ProcError::PermissionDenied(_)) => {}
                Err(error) => return Err(io_error(error)),
            }
        }
        Ok(Self { rows })
    }

    pub(crate) fn find(&self, pid: u32) -> Option<&Row> {
        self.rows.iter().find(|row| row.identity.pid == pid)
    }

    /// Adds everything below the members of `pids`, at any depth, that lies below no excluded process.
    pub(crate) fn add_descendants(&self, pids: &mut BTreeSet<u32>, excluded: &BTreeSet<ProcessIdentity>) {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| !excluded.contains(&row.identity)) {
            children.entry(row.parent).or_default().push(row.identity.pid);
        }
        let mut parents: Vec<u32> = pids.iter().copied().collect();
        while let Some(parent) = parents.pop() {
            for child in children.remove(&parent).unwrap_or_default() {
                pids.insert(child);
                parents.push(child);
            }
        }
    }

    /// The rows below `pid`, at any depth, zombies included.
    pub(crate) fn descendants(&self, pid: u32, excluded: &BTreeSet<ProcessIdentity>) -> Vec<&Row> {
        let mut pids = BTreeSet::from([pid]);
        self.add_descendants(&mut pids, excluded);
        pids.remove(&pid);
        self.rows
            .iter()
            .filter(|row| pids.contains(&row.identity.pid))
            .collect()
    }
}

/// The living processes below `pid`, at any depth. A process whose parent died is not below `pid` any more, unless `pid`
/// is a subreaper.
///
/// # Errors
/// `/proc` cannot be read.
pub fn descendants(pid: u32) -> io::Result<Vec<ProcessIdentity>> {
    let table = Table::read()?;
    let rows = table.descendants(pid, &BTreeSet::new()).into_iter();
    Ok(rows.filter(|row| row.is_alive).map(|row| row.identity).collect())
}

/// The living processes that were started with `name=value` in their environment, except this one. Finds processes that
/// left the process tree, as long as they kept their environment.
///
/// # Errors
/// `/proc` cannot be read. Processes of other users, whose environment is not readable, are skipped.
pub fn find_by_environment(name: &str, value: &str) -> io::Result<Vec<ProcessIdentity>> {
    let this_process = std::process::id();
    let rows = Table::read()?.rows.into_iter().filter(|row| {
        row.is_alive && row.identity.pid != this_process && has_environment(row.identity.pid, name, value)
    });
    Ok(rows.map(|row| row.identity).collect())
}

pub(crate) fn has_environment(pid: u32, name: &str, value: &str) -> bool {
    // Not readable: the process is gone, or another user's, which this process could not signal either.
    i32::try_from(pid)
        .ok()
        .and_then(|pid| Process::new(pid).and_then(|process| process.environ()).ok())
        .is_some_and(|environment| {
            environment
                .get(OsStr::new(name))
                .is_some_and(|found| found == value)
        })
}

/// Reaps one zombie child of this process. By pid, never "any child": other code may wait for a child of its own.
pub(crate) fn reap(zombie: ProcessIdentity) {
    if let Some(pid) = i32::try_from(zombie.pid).ok().and_then(Pid::from_raw)
        && let Err(error) = waitpid(Some(pid), WaitOptions::NOHANG)
    {
        tracing::debug!(pid = zombie.pid, %error, "an orphan was reaped elsewhere");
    }
}
