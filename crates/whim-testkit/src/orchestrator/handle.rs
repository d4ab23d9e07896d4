//! The handle of the fake for tests.

use std::sync::Arc;

use axum::Router;
use axum::http::Method;

use super::faults::Faults;
use super::pipeline::Pipeline;
use super::shared::Shared;
use crate::journal::{RecordedRequest, Violation};
use crate::server::{Server, listen};

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
        match Self::try_start() {
            Ok(orchestrator) => orchestrator,
            Err(error) => panic!("could not start the fake orchestrator: {error:#}"),
        }
    }

    fn try_start() -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::default());
        let pipeline = Arc::new(Pipeline::new(Arc::clone(&shared), Self::API_KEY));
        let router = Router::new().fallback(async move |request| pipeline.serve(request).await);
        let of_server = Arc::clone(&shared);
        let server = Server::start("fake-orchestrator", listen()?, router, move |error| {
            of_server.journal.record_panic(error);
        })?;
        Ok(Self { shared, server })
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
        self.shared.journal.count_requests(method, path)
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
        if !std::thread::panicking() {
            let journal = &self.shared.journal;
            journal.assert_no_violations("openapi.json does not allow this");
        }
    }
}
