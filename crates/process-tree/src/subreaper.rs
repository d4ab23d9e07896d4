//! Everything below this process, found by parentage alone.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, getpid, set_child_subreaper, waitid};

use crate::identity::ProcessIdentity;
use crate::table::{Row, Table, reap};
use crate::terminate::{Deadlines, Members, Termination, terminate, wait_for_exit};

/// Makes this process the one that orphans among its descendants are reparented to, instead of process 1.
///
/// # Errors
/// The kernel refuses (before Linux 3.4).
pub fn become_subreaper() -> io::Result<()> {
    // Any process id switches the attribute on; it always concerns the calling process.
    set_child_subreaper(Some(getpid()))?;
    Ok(())
}

/// All descendants of this process, except those that were there before.
///
/// For a program that starts one command at a time: termination does not distinguish between commands. [`Tree`] does.
///
/// [`Tree`]: crate::Tree
#[derive(Debug)]
pub struct Subreaper {
    /// A program that replaces a shell (`exec`) inherits the jobs of that shell. They are not its own.
    inherited: BTreeSet<ProcessIdentity>,
}

impl Subreaper {
    /// Makes this process a subreaper.
    ///
    /// # Errors
    /// The kernel refuses, or `/proc` cannot be read.
    pub fn install() -> io::Result<Self> {
        become_subreaper()?;
        let table = Table::read()?;
        let rows = table
            .descendants(std::process::id(), &BTreeSet::new())
            .into_iter();
        Ok(Self {
            inherited: rows.map(|row| row.identity).collect(),
        })
    }

    /// Waits at most `limit` for all descendants to end, and reaps them. Returns those that are still alive.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub async fn wait_for_exit(&self, limit: Duration) -> io::Result<Vec<ProcessIdentity>> {
        Ok(wait_for_exit(limit, None, &mut || self.members()).await?.living)
    }

    /// Terminates all descendants and reaps them. Must not be called while a child is waited for elsewhere.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub async fn terminate(&self, deadlines: Deadlines) -> io::Result<Termination> {
        terminate(deadlines, || self.members()).await
    }

    /// Reaps the orphans that have ended, so that they do not fill the process table during a long run.
    ///
    /// `awaited` is the pid of the one child that is waited for elsewhere.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn reap_orphans(&self, awaited: Option<u32>) -> io::Result<()> {
        // Cheap, and almost always the answer is no.
        if !matches!(any_child(), Ok(Some(_))) {
            return Ok(());
        }
        let table = Table::read()?;
        let rows = table.descendants(std::process::id(), &self.inherited).into_iter();
        reap_children(rows.filter(|row| Some(row.identity.pid) != awaited));
        Ok(())
    }

    fn members(&self) -> io::Result<Members> {
        let table = Table::read()?;
        let rows = table.descendants(std::process::id(), &self.inherited);
        reap_children(rows.iter().copied());
        let living = rows.into_iter().filter(|row| row.is_alive);
        Ok(Members {
            living: living.map(|row| row.identity).collect(),
            // Reading `/proc` is not atomic: a chain of short-lived parents can be missed. The kernel's answer to "have
            // I any child?" is exact, and a process without children has no descendants.
            is_uncertain: self.inherited.is_empty() && !matches!(any_child(), Err(Errno::CHILD)),
        })
    }
}

fn any_child() -> rustix::io::Result<Option<rustix::process::WaitIdStatus>> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::All, options)
}

/// A zombie that cannot be reaped yet, because threads of it still run, is there at the next poll.
fn reap_children<'row>(rows: impl Iterator<Item = &'row Row>) {
    let this_process = std::process::id();
    for row in rows.filter(|row| row.is_zombie && row.parent == this_process) {
        reap(row.identity);
    }
}
