//! The handle of the fake for tests.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use axum::http::Method;

use super::faults::Faults;
use super::journal::{RecordedRequest, Violation};
use super::pipeline::Pipeline;
use super::shared::Shared;
use crate::path_template;
use crate::server::Server;

/// A running fake orchestrator; dropping it stops it.
#[derive(Debug)]
pub struct Orchestrator {
    pub(super) shared: Arc<Shared>,
    server: Server,
}

impl Orchestrator {
    /// Required by every route but those of workers, as `Authorization: Bearer …` or `X-Api-Key`.
    pub const API_KEY: &'static str = "the-key-of-the-orchestrator";

    /// Starts on a free loopback port. One listener serves the API and the worker protocol.
    ///
    /// # Panics
    /// No port is free.
    #[must_use]
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let pipeline = Arc::new(Pipeline::new(Arc::clone(&shared), Self::API_KEY));
        let router = Router::new().fallback(async move |request| pipeline.serve(request).await);
        match Server::start("fake-orchestrator", (Ipv4Addr::LOCALHOST, 0).into(), router) {
            Ok(server) => Self { shared, server },
            Err(error) => panic!("could not start the fake orchestrator: {error:#}"),
        }
    }

    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// All requests, refused ones too, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.journal.requests()
    }

    /// The number of requests with this method on a path such as `/api/work/{id}/requeue`, refused ones included.
    ///
    /// # Panics
    /// The path is not a path template.
    #[must_use]
    #[track_caller]
    pub fn count_requests(&self, method: &Method, path: &str) -> usize {
        let pattern = path_template::compile(path);
        let matches = |it: &&RecordedRequest| it.method == *method && pattern.is_match(&it.path);
        self.requests().iter().filter(matches).count()
    }

    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.shared.journal.violations()
    }

    /// For tests that provoke violations.
    #[must_use]
    pub fn take_violations(&self) -> Vec<Violation> {
        self.shared.journal.take_violations()
    }
}

impl Drop for Orchestrator {
    fn drop(&mut self) {
        // A failed test already has its own message.
        if std::thread::panicking() {
            return;
        }
        let violations: Vec<String> = self.violations().iter().map(ToString::to_string).collect();
        assert!(
            violations.is_empty(),
            "not as openapi.json has it:\n{}",
            violations.join("\n")
        );
    }
}
