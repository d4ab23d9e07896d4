//! Which commands in comments need nothing more.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use chrono::{DateTime, Utc};
use whim_core::IssueNumber;

use crate::github::Issue;

/// What is known of the comments of a repository, until the intake stops.
#[derive(Debug, Default)]
pub(super) struct CommandMemory(RwLock<Memory>);

/// Time of the latest change, in whole seconds, and number of comments.
pub(super) type Version = (DateTime<Utc>, u64);

#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The version of each issue whose comments were read.
    pub(super) read: HashMap<IssueNumber, Version>,
    /// Comments that need nothing more.
    pub(super) handled: HashSet<u64>,
    /// Accounts whose commands do not count, and who got a reaction that says so.
    pub(super) declined: HashSet<(IssueNumber, u64)>,
    /// Why the latest command was not carried out.
    pub(super) notices: HashMap<IssueNumber, String>,
}

impl CommandMemory {
    pub(super) fn memory(&self) -> RwLockWriteGuard<'_, Memory> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_news(&self, issue: &Issue) -> bool {
        issue.comments > 0 && self.memory().read.get(&issue.number) != Some(&version(issue))
    }

    pub(super) fn notice(&self, issue: IssueNumber) -> Option<String> {
        self.memory().notices.get(&issue).cloned()
    }
}

pub(super) fn version(issue: &Issue) -> Version {
    (issue.updated_at, issue.comments)
}
