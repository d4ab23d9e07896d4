//! Who belongs to a child: all that came from it, wherever it went.

use std::collections::BTreeSet;
use std::io;
use std::sync::{PoisonError, RwLock};

use rustix::process::{Pid, WaitOptions, waitpid};

use super::identity::ProcessIdentity;
use super::spawn::Orphans;
use super::table::{self, Stat, close_over_children, has_environment};

/// The direct children of this process that this crate started and nobody has waited for yet.
///
/// Global because what it describes is: a process has one list of children. It keeps [`Orphans::Adopted`] from taking
/// another command's child for an orphan; the lock is held while a child is started, so that none is seen unregistered.
pub(super) static CHILDREN: RwLock<BTreeSet<ProcessIdentity>> = RwLock::new(BTreeSet::new());

pub(super) fn forget_child(child: ProcessIdentity) {
    CHILDREN
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&child);
}

/// A child and its descendants, recognised by whatever of these still holds: parentage, having been seen below the
/// child before, its group or session, the marker in the environment, and, with [`Orphans::Adopted`], being an orphan
/// that fell to this process.
#[derive(Debug)]
pub(super) struct Tree {
    root: ProcessIdentity,
    marker: (String, String),
    orphans: Orphans,
    seen: BTreeSet<ProcessIdentity>,
}

impl Tree {
    pub(super) fn new(root: ProcessIdentity, marker: (String, String), orphans: Orphans) -> Self {
        Self {
            root,
            marker,
            orphans,
            seen: BTreeSet::from([root]),
        }
    }

    /// The living members, the root included. Orphans that ended are reaped on the way, so that they do not stay
    /// zombies until this process ends.
    pub(super) fn members(&mut self) -> io::Result<Vec<ProcessIdentity>> {
        let children = CHILDREN.read().unwrap_or_else(PoisonError::into_inner);
        let table = table::all()?;
        let root_pid_is_ours = table
            .iter()
            .find(|stat| stat.identity.pid == self.root.pid)
            .is_none_or(|stat| stat.identity == self.root);
        let untouchable = this_process_and_ancestors(&table);
        let this_process = std::process::id();
        let is_orphan_of_ours =
            |stat: &Stat| stat.parent == this_process && !children.contains(&stat.identity);
        let is_member = |stat: &Stat| {
            let (name, value) = &self.marker;
            let in_group = root_pid_is_ours && (stat.group == self.root.pid || stat.session == self.root.pid);
            let adopted = self.orphans == Orphans::Adopted && is_orphan_of_ours(stat);
            // Reading an environment is the slowest test and comes last.
            self.seen.contains(&stat.identity)
                || in_group
                || adopted
                || has_environment(stat.identity.pid, name, value)
        };
        let mut found: BTreeSet<u32> = table
            .iter()
            .filter(|stat| !untouchable.contains(&stat.identity.pid) && is_member(stat))
            .map(|stat| stat.identity.pid)
            .collect();
        close_over_children(&table, &mut found);

        let members = table.iter().filter(|stat| found.contains(&stat.identity.pid));
        let (zombies, others): (Vec<&Stat>, Vec<&Stat>) = members.partition(|stat| stat.is_zombie());
        for zombie in zombies.into_iter().filter(|stat| is_orphan_of_ours(stat)) {
            reap(zombie.identity);
        }
        let living: Vec<ProcessIdentity> = others
            .into_iter()
            .filter(|stat| stat.is_alive())
            .map(|stat| stat.identity)
            .collect();
        self.seen.extend(&living);
        Ok(living)
    }
}

/// What must never be signalled, even when it carries the marker: the marker is inherited from here.
fn this_process_and_ancestors(table: &[Stat]) -> BTreeSet<u32> {
    let mut untouchable = BTreeSet::from([1]);
    let mut next = std::process::id();
    while untouchable.insert(next) {
        match table.iter().find(|stat| stat.identity.pid == next) {
            Some(stat) => next = stat.parent,
            None => break,
        }
    }
    untouchable
}

fn reap(zombie: ProcessIdentity) {
    if let Some(pid) = i32::try_from(zombie.pid).ok().and_then(Pid::from_raw)
        && let Err(error) = waitpid(Some(pid), WaitOptions::NOHANG)
    {
        tracing::debug!(pid = zombie.pid, %error, "an orphan was reaped by somebody else");
    }
}
