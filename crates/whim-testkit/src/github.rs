//! A fake GitHub: its REST API, and git over smart HTTP, with in-memory state.
//!
//! One listener serves both, as GitHub Enterprise does: the API at its root or below `/api/v3`, and repositories at
//! `/{owner}/{name}.git` through the real `git http-backend`. Issues, labels, comments and pull requests are stateful;
//! pull requests follow the branches that are pushed.
//!
//! Every request is checked against GitHub's published description. An invalid request, or one that the fake does not
//! support, is a [`Violation`]; so is a response that GitHub would not give. A [`GitHub`] that is dropped with
//! violations fails its test.
//!
//! ```no_run
//! # async fn example() {
//! use axum::http::Method;
//! use whim_testkit::github::{Fault, GitHub};
//!
//! let github = GitHub::start().await;
//! github.create_repository("acme/shop", &[("README.md", "# Shop\n")]);
//! let number = github.create_issue("acme/shop", "Sell tea", "Please.", &["whim"]);
//! github.faults().push(Fault::on(Method::POST, "/repos/{owner}/{repo}/pulls").cut_after());
//! // The program under test gets `github.api_url()`, `github.git_url()` and `github.token()`.
//! assert_eq!(github.issue("acme/shop", number).labels, ["whim"]);
//! # }
//! ```

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context;
use tempfile::TempDir;
use tower::service_fn;

mod access;
mod account;
mod actor;
mod bare_repository;
mod comments;
mod controls;
mod description;
mod error_response;
mod etags;
mod extract;
mod faults;
mod git_http;
mod graphql;
mod inspect;
mod issues;
mod labels;
mod logins;
mod merge;
mod moved;
mod pages;
mod pipeline;
mod pulls;
mod rate;
mod received;
mod repositories;
mod rest;
mod role;
mod routes;
mod shared;
mod state;
mod views;

pub use access::{Access, Permissions};
pub use actor::Actor;
pub use faults::{Fault, Faults};
pub use inspect::{Comment, Issue, Pull};
pub use logins::{BOT, PERSON};
pub use role::Role;
pub use state::State;

use pipeline::Pipeline;
use shared::Shared;
use views::Links;

pub use crate::journal::{RecordedRequest, Violation, ViolationKind};
use crate::server::{Server, listen_on, url_of};

/// The running fake; stopped on drop.
///
/// Methods that take a repository expect `owner/name`, and panic if it does not exist.
pub struct GitHub {
    shared: Arc<Shared>,
    token: String,
    /// Stops the server on drop.
    _server: Server,
}

impl GitHub {
    /// Starts a fake on a free port of loopback.
    ///
    /// # Panics
    /// It cannot be started.
    pub async fn start() -> Self {
        must(
            "could not start the GitHub fake",
            Self::start_on((Ipv4Addr::LOCALHOST, 0).into()).await,
        )
    }

    /// Starts a fake on an address; port 0 selects a free one.
    ///
    /// # Errors
    /// The address cannot be bound, or git cannot serve HTTP on this machine.
    pub async fn start_on(address: SocketAddr) -> anyhow::Result<Self> {
        let backend = git_http::find_backend()?;
        let files = TempDir::with_prefix("whim-github-").context("could not create a directory")?;
        let listener = listen_on(address)?;
        let links = Links {
            base: url_of(listener.local_addr()?),
        };
        let shared = Arc::new(Shared::new(links, files, backend));
        let server = serve(listener, &shared)?;
        let mut github = Self {
            shared,
            token: String::new(),
            _server: server,
        };
        github.token = github.create_token(BOT, Permissions::WRITE);
        Ok(github)
    }

    /// Base URL of the REST API without a trailing slash, like `https://api.github.com`.
    #[must_use]
    pub fn api_url(&self) -> String {
        self.shared.links.base.clone()
    }

    /// Base URL of the REST API as on GitHub Enterprise: below `/api/v3`.
    #[must_use]
    pub fn enterprise_api_url(&self) -> String {
        self.shared.links.of("/api/v3")
    }

    /// Base URL of repositories without a trailing slash, like `https://github.com`.
    #[must_use]
    pub fn git_url(&self) -> String {
        self.shared.links.base.clone()
    }

    /// The clone URL of a repository.
    #[must_use]
    pub fn clone_url(&self, repository: &str) -> String {
        self.shared.links.of(&format!("/{repository}.git"))
    }

    /// A token of [`BOT`] with all permissions.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The queue of injected faults.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Every request so far, of the API and of git, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.journal.requests()
    }

    /// The number of requests with this method to paths that match the pattern, as in [`Fault::on`].
    ///
    /// # Panics
    /// The path is not such a pattern.
    #[must_use]
    #[track_caller]
    pub fn count_requests(&self, method: &axum::http::Method, path: &str) -> usize {
        self.shared.journal.count_requests(method, path)
    }

    /// The violations so far.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.shared.journal.violations()
    }

    /// Removes and returns the violations, for tests that provoke them.
    #[must_use]
    pub fn take_violations(&self) -> Vec<Violation> {
        self.shared.journal.take_violations()
    }

    /// Panics if there are violations.
    ///
    /// # Panics
    /// There are violations.
    #[track_caller]
    pub fn assert_no_violations(&self) {
        self.shared
            .journal
            .assert_no_violations("GitHub does not allow this");
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        // A failed test already has its own message.
        if !std::thread::panicking() {
            self.assert_no_violations();
        }
    }
}

fn serve(listener: TcpListener, shared: &Arc<Shared>) -> anyhow::Result<Server> {
    let pipeline = Arc::new(Pipeline::new(Arc::clone(shared)));
    let service = service_fn(move |request| {
        let pipeline = Arc::clone(&pipeline);
        async move { pipeline.serve(request).await }
    });
    let shared = Arc::clone(shared);
    Server::start("fake-github", listener, service, move |error| {
        shared.journal.record_panic(error);
    })
}

/// Panics if the setup of the test failed, or if the test names something that does not exist.
#[track_caller]
fn must<T, Problem: Into<anyhow::Error>>(what: &str, result: Result<T, Problem>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {:#}", error.into()),
    }
}
