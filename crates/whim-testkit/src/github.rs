//! A fake GitHub: its REST API, and git over smart HTTP, with a memory of its own.
//!
//! One listener serves both, as GitHub Enterprise does: the API at its root or below `/api/v3`, and repositories at
//! `/{owner}/{name}.git` through the real `git http-backend`. Issues, labels, comments and pull requests stay what
//! callers made of them; pull requests follow the branches that are pushed.
//!
//! The fake refuses nonsense. Every request is held against GitHub's own published description, and what breaks
//! it, or asks for what the fake does not have, is a [`Violation`]; so is an answer of the fake's own that
//! GitHub would not give. A [`GitHub`] that is dropped with violations fails its test.
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
mod bare_repository;
mod comments;
mod controls;
mod description;
mod error_response;
mod etags;
mod extract;
mod faults;
mod git_http;
mod inspect;
mod issues;
mod labels;
mod merge;
mod pages;
mod pipeline;
mod pulls;
mod rate;
mod received;
mod repositories;
mod rest;
mod routes;
mod shared;
mod state;
mod views;

pub use access::{Access, Permissions};
pub use faults::{Fault, Faults};
pub use inspect::{Comment, Issue, Pull};
pub use state::State;

use pipeline::Pipeline;
use shared::Shared;
use views::Links;

pub use crate::journal::{RecordedRequest, Violation, ViolationKind};
use crate::server::{Server, listen_on, url_of};

/// The login that [`GitHub::token`] belongs to.
pub const BOT: &str = "whim-bot";

/// The login of the person who files issues and changes labels by hand.
pub const PERSON: &str = "octocat";

/// The running fake. It ends, with all that it holds, when this is dropped.
///
/// Methods that take a repository want it as `owner/name` and panic where there is none: a test that names one which
/// does not exist is wrong.
pub struct GitHub {
    shared: Arc<Shared>,
    token: String,
    /// Held for its end.
    _server: Server,
}

impl GitHub {
    /// Starts a fake on a free port of loopback.
    ///
    /// # Panics
    /// It cannot be started; the message says why.
    pub async fn start() -> Self {
        must(
            "could not start the GitHub fake",
            Self::start_on((Ipv4Addr::LOCALHOST, 0).into()).await,
        )
    }

    /// Starts a fake on an address; port 0 means a free one.
    ///
    /// # Errors
    /// The address cannot be bound, or git cannot serve HTTP on this machine.
    pub async fn start_on(address: SocketAddr) -> anyhow::Result<Self> {
        let backend = git_http::find_backend()?;
        let files = TempDir::with_prefix("whim-github-").context("could not make a directory")?;
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

    /// Where the REST API is, without a slash at the end: the counterpart of `https://api.github.com`.
    #[must_use]
    pub fn api_url(&self) -> String {
        self.shared.links.base.clone()
    }

    /// Where the REST API is as on GitHub Enterprise: below `/api/v3`.
    #[must_use]
    pub fn enterprise_api_url(&self) -> String {
        self.shared.links.of("/api/v3")
    }

    /// Where repositories are, without a slash at the end: the counterpart of `https://github.com`.
    #[must_use]
    pub fn git_url(&self) -> String {
        self.shared.links.base.clone()
    }

    /// From where a repository is cloned.
    #[must_use]
    pub fn clone_url(&self, repository: &str) -> String {
        self.shared.links.of(&format!("/{repository}.git"))
    }

    /// A token of [`BOT`] that may do everything.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The queue of things that go wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Every request so far, of the API and of git, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.journal.requests()
    }

    /// How many requests with this method went to paths of this form, written as for [`Fault::on`].
    ///
    /// # Panics
    /// The path is not such a pattern.
    #[must_use]
    #[track_caller]
    pub fn count_requests(&self, method: &axum::http::Method, path: &str) -> usize {
        self.shared.journal.count_requests(method, path)
    }

    /// What happened and must not.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.shared.journal.violations()
    }

    /// Takes the violations away, for tests that provoke them.
    #[must_use]
    pub fn take_violations(&self) -> Vec<Violation> {
        self.shared.journal.take_violations()
    }

    /// Fails where something happened that must not.
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
        // A test that fails already shows its own reason.
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

/// A test whose world cannot be made, or is received for what it does not have, has failed.
#[track_caller]
fn must<T, Problem: Into<anyhow::Error>>(what: &str, result: Result<T, Problem>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {:#}", error.into()),
    }
}
