//! One child of this process and everything that it started.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use rustix::process::Signal;

use crate::identity::ProcessIdentity;
use crate::table::{Row, Table, has_environment, reap};
use crate::terminate::{Deadlines, Members, Termination, terminate};

/// The name of a marker that was not chosen.
const DEFAULT_MARKER: &str = "PROCESS_TREE";

static NEXT_MARKER: AtomicU64 = AtomicU64::new(0);

/// The children of this process that were started in a [`Tree`] and not reaped yet.
///
/// Global because a process has one list of children. It keeps [`Orphans::Adopted`] from taking another tree's child for
/// an orphan. The lock is held while a child is started, so that no child is seen before it is registered.
static CHILDREN: RwLock<BTreeSet<ProcessIdentity>> = RwLock::new(BTreeSet::new());

/// An environment variable that the descendants of a child inherit, and by which they are recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Name of the variable.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Marker {
    /// A marker that no other tree has.
    pub fn unique() -> Self {
        let number = NEXT_MARKER.fetch_add(1, Ordering::Relaxed);
        let started = ProcessIdentity::of_this_process().map_or(0, |identity| identity.start_ticks);
        Self {
            name: DEFAULT_MARKER.to_owned(),
            value: format!("{}-{started}-{number}", std::process::id()),
        }
    }
}

/// What happens to orphans that were reparented to this process and are recognised by nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orphans {
    /// They are ignored: other code of this process may have started them.
    #[default]
    Recognised,
    /// They belong to the tree. Correct where this process is a subreaper, starts children in trees only, and has no other
    /// tree at the same time that may have orphans.
    Adopted,
}

/// A child and its descendants.
///
/// A process is a member if it was a member before, has the child's process group or session, carries the marker in its
/// environment, is an orphan that the tree adopts, or is a descendant of such a process.
#[derive(Debug)]
pub struct Tree {
    root: ProcessIdentity,
    marker: Marker,
    orphans: Orphans,
    seen: BTreeSet<ProcessIdentity>,
}

impl Tree {
    /// Starts a child with `spawn`, which returns it with its pid, and tracks it. `spawn` must set the marker in the
    /// child's environment and give it a process group of its own.
    ///
    /// # Errors
    /// `spawn` failed, or `/proc` cannot be read.
    pub fn start<Child>(
        marker: Marker,
        orphans: Orphans,
        spawn: impl FnOnce() -> io::Result<(Child, u32)>,
    ) -> io::Result<(Child, Self)> {
        let mut children = CHILDREN.write().unwrap_or_else(PoisonError::into_inner);
        let (child, pid) = spawn()?;
        let root = ProcessIdentity::of(pid)?
            .ok_or_else(|| io::Error::other("the child is missing in /proc; was it reaped already?"))?;
        children.insert(root);
        let tree = Self {
            root,
            marker,
            orphans,
            seen: BTreeSet::from([root]),
        };
        Ok((child, tree))
    }

    /// The child.
    pub fn root(&self) -> ProcessIdentity {
        self.root
    }

    /// Must be called once the child was reaped.
    pub fn root_was_reaped(&self) {
        CHILDREN
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.root);
    }

    /// The living members, the child included. Reaps orphans that ended, which would stay zombies otherwise.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn members(&mut self) -> io::Result<Vec<ProcessIdentity>> {
        let children = CHILDREN.read().unwrap_or_else(PoisonError::into_inner);
        let table = Table::read()?;
        let this_process = std::process::id();
        let is_orphan_of_ours = |row: &Row| row.parent == this_process && !children.contains(&row.identity);
        let pids = self.member_pids(&table, is_orphan_of_ours);
        let members = table.rows.iter().filter(|row| pids.contains(&row.identity.pid));
        let mut living = Vec::new();
        for row in members {
            if row.is_alive {
                living.push(row.identity);
            } else if row.is_zombie && is_orphan_of_ours(row) {
                reap(row.identity);
            }
        }
        self.seen.extend(&living);
        Ok(living)
    }

    fn member_pids(&self, table: &Table, is_orphan_of_ours: impl Fn(&Row) -> bool) -> BTreeSet<u32> {
        let root_pid = self.root.pid;
        let root_pid_is_reused = table.find(root_pid).is_some_and(|row| row.identity != self.root);
        let protected = this_process_and_ancestors(table);
        let is_member = |row: &&Row| {
            let in_group = !root_pid_is_reused && (row.group == root_pid || row.session == root_pid);
            let is_adopted = self.orphans == Orphans::Adopted && is_orphan_of_ours(row);
            !protected.contains(&row.identity.pid)
                && (self.seen.contains(&row.identity)
                    || in_group
                    || is_adopted
                    // Reading an environment is the slowest test and comes last.
                    || has_environment(row.identity.pid, &self.marker.name, &self.marker.value))
        };
        let members = table.rows.iter().filter(is_member);
        let mut pids: BTreeSet<u32> = members.map(|row| row.identity.pid).collect();
        table.add_descendants(&mut pids, &BTreeSet::new());
        pids
    }

    /// Terminates all members. `reap_root` is called before each poll and must reap the child if it has ended, without
    /// waiting for it: a zombie keeps its pid, and other processes may wait for its end.
    ///
    /// # Errors
    /// `reap_root` failed, or `/proc` cannot be read.
    pub async fn terminate(
        &mut self,
        deadlines: Deadlines,
        mut reap_root: impl FnMut() -> io::Result<()>,
    ) -> io::Result<Termination> {
        terminate(deadlines, || {
            reap_root()?;
            let living = self.members()?;
            // Reading `/proc` is not atomic: one reading can miss the end of a chain of short-lived parents.
            let living = if living.is_empty() {
                self.members()?
            } else {
                living
            };
            Ok(Members::from(living))
        })
        .await
    }

    /// Sends KILL to all members, without waiting for their end.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn kill(&mut self) -> io::Result<()> {
        for member in self.members()? {
            if let Err(error) = member.signal(Signal::KILL) {
                tracing::error!(pid = member.pid, %error, "cannot kill a process");
            }
        }
        Ok(())
    }
}

/// Never signalled, even if they carry the marker: the child inherited it from them.
fn this_process_and_ancestors(table: &Table) -> BTreeSet<u32> {
    let mut protected = BTreeSet::from([1]);
    let mut next = std::process::id();
    while protected.insert(next) {
        match table.find(next) {
            Some(row) => next = row.parent,
            None => break,
        }
    }
    protected
}
