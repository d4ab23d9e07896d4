//! Reading `/proc`. A look at all processes takes a few milliseconds and does not block on anything.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use super::identity::ProcessIdentity;

/// One line of the process table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) identity: ProcessIdentity,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) session: u32,
    state: u8,
}

impl Stat {
    /// Neither a zombie nor being removed.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }

    pub(super) fn is_zombie(&self) -> bool {
        self.state == b'Z'
    }
}

/// Reads `/proc/<pid>/stat`; `None` when there is no such process.
pub(super) fn read_stat(pid: u32) -> io::Result<Option<Stat>> {
    let line = match fs::read(format!("/proc/{pid}/stat")) {
        Ok(line) => line,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let line = String::from_utf8_lossy(&line);
    parse_stat(pid, &line)
        .map(Some)
        .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat has an unknown form")))
}

/// `pid (name) state ppid pgrp session …`; the name may hold spaces and parentheses, so fields count from the last one.
fn parse_stat(pid: u32, line: &str) -> Option<Stat> {
    let (_, fields) = line.rsplit_once(") ")?;
    let mut fields = fields.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let parent = fields.next()?.parse().ok()?;
    // Processes of outer namespaces show as 0, kernel threads have group -1 or 0: neither is ever ours.
    let group = fields.next()?.parse().unwrap_or(0);
    let session = fields.next()?.parse().unwrap_or(0);
    // Field 22 of the line, the 16th after the session, which is field 6.
    let start_ticks = fields.nth(15)?.parse().ok()?;
    Some(Stat {
        identity: ProcessIdentity { pid, start_ticks },
        parent,
        group,
        session,
        state,
    })
}

/// All processes that this one can see. Those that end during the look are missing.
pub(super) fn all() -> io::Result<Vec<Stat>> {
    let mut table = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        table.extend(read_stat(pid)?);
    }
    Ok(table)
}

/// Adds everything below the members of `found`, at any depth.
pub(super) fn close_over_children(table: &[Stat], found: &mut BTreeSet<u32>) {
    loop {
        let before = found.len();
        let children = table
            .iter()
            .filter(|stat| found.contains(&stat.parent))
            .map(|stat| stat.identity.pid);
        let children: Vec<u32> = children.collect();
        found.extend(children);
        if found.len() == before {
            return;
        }
    }
}

/// The living processes below `pid`, at any depth. A process whose parent died is not below it any more, unless `pid`
/// is a subreaper.
///
/// # Errors
/// `/proc` cannot be read.
pub fn descendants(pid: u32) -> io::Result<Vec<ProcessIdentity>> {
    let table = all()?;
    let mut found = BTreeSet::from([pid]);
    close_over_children(&table, &mut found);
    found.remove(&pid);
    Ok(table
        .iter()
        .filter(|stat| stat.is_alive() && found.contains(&stat.identity.pid))
        .map(|stat| stat.identity)
        .collect())
}

/// The living processes that were started with `name=value` in their environment, except this one. Finds what left the
/// process tree, as long as it kept its environment.
///
/// # Errors
/// `/proc` cannot be read. Processes of other users, whose environment is not readable, are passed over.
pub fn find_by_environment(name: &str, value: &str) -> io::Result<Vec<ProcessIdentity>> {
    let this_process = std::process::id();
    let found = all()?.into_iter().filter(|stat| {
        stat.is_alive()
            && stat.identity.pid != this_process
            && has_environment(stat.identity.pid, name, value)
    });
    Ok(found.map(|stat| stat.identity).collect())
}

pub(super) fn has_environment(pid: u32, name: &str, value: &str) -> bool {
    let marker = format!("{name}={value}");
    // Not readable: gone, or another user's, and then not a descendant that we could signal either.
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
        environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == marker.as_bytes())
    })
}

fn is_gone(error: &io::Error) -> bool {
    // ESRCH: the process ended between opening the file and reading it.
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) b (c) S 7 42 41 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3";

        let stat = parse_stat(42, line).unwrap();

        let identity = ProcessIdentity {
            pid: 42,
            start_ticks: 987_654,
        };
        assert_eq!(
            stat,
            Stat {
                identity,
                parent: 7,
                group: 42,
                session: 41,
                state: b'S'
            }
        );
    }

    #[test]
    fn a_line_that_is_cut_short_is_refused() {
        assert_eq!(parse_stat(42, "42 (a) S 7 42"), None);
    }
}
