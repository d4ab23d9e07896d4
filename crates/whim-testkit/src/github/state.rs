//! The stored records.
//!
//! Records change only through the methods of [`Repository`] in the child modules. REST handlers and controls of the
//! test use the same methods, so that both record the same events.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::access::Identity;
use super::rate::RateLimits;

mod issues;
mod labels;
mod pulls;

pub(super) use labels::LabelFields;
pub(super) use pulls::NewPull;

pub(super) struct World {
    clock: Clock,
    repositories: BTreeMap<String, Repository>,
    /// The ids of repositories by their old names.
    moved: BTreeMap<String, u64>,
    tokens: HashMap<String, Identity>,
    pub(super) limits: RateLimits,
}

/// The real time plus the offset that a test set. GitHub's times have whole seconds.
#[derive(Default)]
struct Clock {
    ahead: TimeDelta,
}

/// The author and the time of a change.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) by: String,
    pub(super) at: DateTime<Utc>,
}

pub(super) struct Repository {
    pub(super) id: u64,
    pub(super) owner: String,
    pub(super) name: String,
    pub(super) default_branch: String,
    /// The bare repository.
    pub(super) directory: PathBuf,
    pub(super) ruleset: Ruleset,
    pub(super) labels: Vec<Label>,
    /// Issues and pull requests, which share one sequence of numbers.
    pub(super) issues: BTreeMap<u64, Issue>,
    /// Branches with their newest commits, as last read from the bare repository.
    pub(super) branches: BTreeMap<String, String>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    pub(super) pushed_at: DateTime<Utc>,
    last_id: u64,
}

/// The rules of every branch but the default one.
#[derive(Clone, Default)]
pub(super) struct Ruleset {
    /// Each with `type` and, for some types, `parameters`.
    pub(super) rules: Vec<Value>,
    /// Whether the callers need not obey them.
    pub(super) can_bypass: bool,
}

#[derive(Clone)]
pub(super) struct Label {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) color: String,
    pub(super) description: Option<String>,
}

/// Whether an issue or a pull request is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    Closed,
}

impl State {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

pub(super) struct Issue {
    pub(super) id: u64,
    pub(super) number: u64,
    pub(super) title: String,
    pub(super) body: Option<String>,
    pub(super) author: String,
    pub(super) state: State,
    pub(super) state_reason: Option<String>,
    /// Ids of the repository's labels, in the order in which they were added.
    pub(super) labels: Vec<u64>,
    pub(super) comments: Vec<Comment>,
    pub(super) events: Vec<Event>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    pub(super) closed: Option<Change>,
    /// Present if the issue is a pull request.
    pub(super) pull: Option<Pull>,
}

#[derive(Clone)]
pub(super) struct Comment {
    pub(super) id: u64,
    pub(super) body: String,
    pub(super) author: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

#[derive(Clone)]
pub(super) struct Event {
    pub(super) id: u64,
    pub(super) actor: String,
    pub(super) at: DateTime<Utc>,
    pub(super) kind: EventKind,
}

#[derive(Clone)]
pub(super) enum EventKind {
    Labeled { name: String, color: String },
    Unlabeled { name: String, color: String },
    Renamed { from: String, to: String },
    Closed,
    Reopened,
    Merged { commit: String },
}

#[derive(Clone)]
pub(super) struct Pull {
    pub(super) id: u64,
    pub(super) head: String,
    pub(super) base: String,
    pub(super) head_hash: String,
    pub(super) base_hash: String,
    pub(super) draft: bool,
    pub(super) maintainer_can_modify: bool,
    pub(super) merged: Option<Merge>,
}

#[derive(Clone)]
pub(super) struct Merge {
    pub(super) commit: String,
    pub(super) change: Change,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            clock: Clock::default(),
            repositories: BTreeMap::new(),
            moved: BTreeMap::new(),
            tokens: HashMap::new(),
            limits: RateLimits::default(),
        }
    }

    /// The current time in whole seconds.
    pub(super) fn now(&self) -> DateTime<Utc> {
        let now = Utc::now() + self.clock.ahead;
        DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)
    }

    pub(super) fn advance_clock(&mut self, by: TimeDelta) {
        self.clock.ahead += by;
    }

    pub(super) fn change_by(&self, login: &str) -> Change {
        Change {
            by: login.to_owned(),
            at: self.now(),
        }
    }

    pub(super) fn add_token(&mut self, identity: Identity) {
        self.tokens.insert(identity.token.clone(), identity);
    }

    pub(super) fn identity(&self, token: &str) -> Option<&Identity> {
        self.tokens.get(token)
    }

    /// Adds a repository; `false` if the name is taken.
    pub(super) fn add_repository(&mut self, owner: &str, name: &str, directory: PathBuf) -> bool {
        let key = repository_key(owner, name);
        if self.repositories.contains_key(&key) {
            return false;
        }
        let id = self.repositories.len() as u64 + 1;
        let now = self.now();
        let repository = Repository {
            id,
            owner: owner.to_owned(),
            name: name.to_owned(),
            default_branch: crate::git::DEFAULT_BRANCH.to_owned(),
            directory,
            ruleset: Ruleset::default(),
            labels: Vec::new(),
            issues: BTreeMap::new(),
            branches: BTreeMap::new(),
            created_at: now,
            updated_at: now,
            pushed_at: now,
            // Ids are unique across repositories, as on GitHub.
            last_id: id * 1_000_000,
        };
        self.repositories.insert(key, repository);
        true
    }

    /// Gives a repository another owner and name; `false` if there is none, or the new name is taken.
    pub(super) fn move_repository(&mut self, from: (&str, &str), to: (&str, &str)) -> bool {
        let key = repository_key(to.0, to.1);
        if self.repositories.contains_key(&key) {
            return false;
        }
        let old_key = repository_key(from.0, from.1);
        let Some(mut repository) = self.repositories.remove(&old_key) else {
            return false;
        };
        (repository.owner, repository.name) = (to.0.to_owned(), to.1.to_owned());
        self.moved.insert(old_key, repository.id);
        self.repositories.insert(key, repository);
        true
    }

    /// The id of the repository that had this name, unless another one has it now.
    pub(super) fn moved_to(&self, owner: &str, name: &str) -> Option<u64> {
        let key = repository_key(owner, name);
        let is_taken = self.repositories.contains_key(&key);
        self.moved.get(&key).copied().filter(|_| !is_taken)
    }

    pub(super) fn repositories(&self) -> impl Iterator<Item = &Repository> {
        self.repositories.values()
    }

    pub(super) fn repositories_mut(&mut self) -> impl Iterator<Item = &mut Repository> {
        self.repositories.values_mut()
    }

    /// Names of owners and repositories are case-insensitive.
    pub(super) fn repository(&self, owner: &str, name: &str) -> Option<&Repository> {
        self.repositories.get(&repository_key(owner, name))
    }

    pub(super) fn repository_mut(&mut self, owner: &str, name: &str) -> Option<&mut Repository> {
        self.repositories.get_mut(&repository_key(owner, name))
    }
}

fn repository_key(owner: &str, name: &str) -> String {
    format!("{owner}/{name}").to_lowercase()
}

impl Repository {
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    pub(super) fn issue(&self, number: u64) -> Option<&Issue> {
        self.issues.get(&number)
    }

    /// The issue with this number, if it is a pull request.
    pub(super) fn pull(&self, number: u64) -> Option<(&Issue, &Pull)> {
        let issue = self.issues.get(&number)?;
        Some((issue, issue.pull.as_ref()?))
    }

    pub(super) fn pulls(&self) -> impl Iterator<Item = (&Issue, &Pull)> {
        self.issues
            .values()
            .filter_map(|issue| Some((issue, issue.pull.as_ref()?)))
    }

    pub(super) fn pulls_mut(&mut self) -> impl Iterator<Item = &mut Pull> {
        self.issues.values_mut().filter_map(|issue| issue.pull.as_mut())
    }

    /// The labels of an issue, oldest first.
    pub(super) fn labels_of<'a>(&'a self, issue: &'a Issue) -> impl Iterator<Item = &'a Label> {
        issue
            .labels
            .iter()
            .filter_map(|id| self.labels.iter().find(|label| label.id == *id))
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}
