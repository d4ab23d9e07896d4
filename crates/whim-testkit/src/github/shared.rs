//! State shared by request handlers and the test.

use std::path::PathBuf;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use axum::http::HeaderMap;
use tempfile::TempDir;

use super::access::{Caller, presented_token};
use super::error_response::ErrorResponse;
use super::faults::Faults;
use super::rate::Standing;
use super::received::ReceivedRequest;
use super::state::{Repository, World};
use super::views::Links;
use crate::git;
use crate::journal::{Journal, ViolationKind};

pub(super) struct Shared {
    pub(super) links: Links,
    /// Holds the bare repositories as `{owner}/{name}.git`.
    pub(super) files: TempDir,
    /// The program `git-http-backend`.
    pub(super) backend: PathBuf,
    pub(super) faults: Faults,
    pub(super) journal: Journal,
    world: RwLock<World>,
}

impl Shared {
    pub(super) fn new(links: Links, files: TempDir, backend: PathBuf) -> Self {
        let world = RwLock::new(World::new());
        Self {
            links,
            files,
            backend,
            faults: Faults::default(),
            journal: Journal::default(),
            world,
        }
    }

    /// Ignores poisoning: a second panic would hide the first.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, World> {
        self.world.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The caller of a request.
    pub(super) fn identify(&self, headers: &HeaderMap) -> Caller {
        match presented_token(headers) {
            None => Caller::Stranger,
            Some(token) => {
                let world = self.read();
                let identity = token.and_then(|token| world.identity(&token).cloned());
                identity.map_or(Caller::Unknown, Caller::Known)
            }
        }
    }

    /// The remaining hourly limit of a caller.
    pub(super) fn standing(&self, caller: &Caller) -> Standing {
        let mut world = self.write();
        let now = world.now();
        world.limits.standing(caller.token(), now)
    }

    /// Counts one request against the hourly limit.
    pub(super) fn count(&self, caller: &Caller) {
        let mut world = self.write();
        let now = world.now();
        world.limits.count(caller.token(), now);
    }

    /// Records a violation of a request or its response.
    pub(super) fn violate(&self, received: &ReceivedRequest, kind: ViolationKind, problem: String) {
        self.journal
            .record_violation(kind, &received.method, &received.path, problem);
    }

    pub(super) fn with_repository<T>(
        &self,
        owner: &str,
        name: &str,
        look: impl FnOnce(&Repository) -> Result<T, ErrorResponse>,
    ) -> Result<T, ErrorResponse> {
        look(
            self.read()
                .repository(owner, name)
                .ok_or(ErrorResponse::NotFound)?,
        )
    }

    /// The bare repository of this name.
    pub(super) fn bare(&self, owner: &str, name: &str) -> Result<git::Repository, ErrorResponse> {
        self.with_repository(owner, name, |repository| {
            Ok(git::Repository::open(&repository.directory))
        })
    }

    /// Updates the branches from the bare repository; `login` is the pusher. The records stay locked while git runs, so
    /// that an older state cannot overwrite a newer one.
    pub(super) fn refresh(&self, owner: &str, name: &str, login: &str) -> Result<(), ErrorResponse> {
        let mut world = self.write();
        let change = world.change_by(login);
        let repository = world.repository_mut(owner, name).ok_or(ErrorResponse::NotFound)?;
        let branches = git::Repository::open(&repository.directory).branches()?;
        repository.take_branches(branches, &change)
    }
}
