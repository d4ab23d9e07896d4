//! The open breakers, and what each of them blocks.

use std::time::Duration;

use sqlx::PgExecutor;
use whim_core::WorkItemId;
use whim_core::protocol::status::BreakerSubject;

use super::SPEC_CREDENTIAL;
use crate::db::breakers::{self as rows, Open};

#[derive(Clone, Debug, Default)]
pub(crate) struct OpenBreakers(Vec<Open>);

impl OpenBreakers {
    pub(crate) async fn read(db: impl PgExecutor<'_>) -> sqlx::Result<Self> {
        rows::list_open(db).await.map(Self)
    }

    #[cfg(test)]
    pub(crate) fn new(open: Vec<Open>) -> Self {
        Self(open)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Open> {
        self.0.iter()
    }

    /// Those that every worker of this instance depends on.
    fn shared(&self, instance: &str, credential: &str) -> impl Iterator<Item = &Open> {
        self.0.iter().filter(move |open| match open.subject {
            BreakerSubject::Model => open.name == credential,
            BreakerSubject::GitHub => true,
            BreakerSubject::Runtime => open.name == instance,
            BreakerSubject::Repository => false,
        })
    }

    /// Those because of which this instance starts nothing at all.
    pub(crate) fn blocking_all(&self, instance: &str, credential: &str) -> impl Iterator<Item = &Open> {
        self.shared(instance, credential).filter(|open| blocks(open))
    }

    /// The one because of which nothing is started in a repository, given in lower case.
    pub(crate) fn blocking_repository(&self, repository: &str) -> Option<&Open> {
        let mut open = self.0.iter();
        open.find(|open| {
            open.subject == BreakerSubject::Repository && open.name == repository && blocks(open)
        })
    }

    /// The repositories with open breakers.
    pub(crate) fn repositories(&self) -> impl Iterator<Item = &str> {
        let repositories = self.0.iter();
        let repositories = repositories.filter(|open| open.subject == BreakerSubject::Repository);
        repositories.map(|open| open.name.as_str())
    }

    /// The one of the credential with which specs are generated, and whether a spec may probe it.
    pub(crate) fn of_specs(&self) -> Option<(&Open, bool)> {
        let mut open = self.0.iter();
        let open = open.find(|open| open.subject == BreakerSubject::Model && open.name == SPEC_CREDENTIAL)?;
        Some((open, !blocks(open)))
    }

    /// Items that a worker should not be claimed for if there are others: it would probe a shared breaker, and these
    /// failed before.
    pub(crate) fn failed_items(&self, instance: &str, credential: &str) -> Vec<WorkItemId> {
        self.shared(instance, credential)
            .flat_map(|open| open.items.iter().copied())
            .collect()
    }

    /// Time until the next probe of a repository.
    pub(crate) fn next_repository_probe(&self) -> Option<Duration> {
        let waiting = |open: &&Open| open.subject == BreakerSubject::Repository && !open.remaining.is_zero();
        self.0.iter().filter(waiting).map(|open| open.remaining).min()
    }
}

/// Whether the probe is not due, or is running.
fn blocks(open: &Open) -> bool {
    !open.remaining.is_zero() || open.half_open
}
